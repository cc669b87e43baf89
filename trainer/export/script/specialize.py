"""One definition, made ready for one configuration: knobs filled in, branches that it rules out left out."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import FunctionType
from typing import Any

from trainer.config import Choice, RunConfig
from trainer.engine.augment import chosen_changes
from trainer.export.script.folding.branches import folded, unrolled
from trainer.export.script.network import Made, Writer
from trainer.export.script.predicates import Predicate
from trainer.export.script.signatures import with_plain_signatures
from trainer.export.script.source.edits import Text, literal
from trainer.export.script.source.modules import SHORT, Import, Item, read
from trainer.export.script.source.references import References
from trainer.export.script.values import Called, Form, Later, Prepared, Source
from trainer.registry import Technique, families

NOTHING = object()


class Specializer:
    """Rewrites definitions for `config`.

    `program` is the module with the script's main function, `answers` says what predicates return, `values` what names mean that
    the program leaves open, and `replaced` which definitions others take the place of. A script as `by_hand` has no annotations.
    `later` are configurations that a run takes on while it trains.
    """

    def __init__(
        self,
        config: RunConfig,
        program: str,
        answers: Mapping[Predicate, bool | None],
        values: Mapping[str, Any],
        replaced: Mapping[Item, Item] | None = None,
        *,
        by_hand: bool = False,
        later: Sequence[RunConfig] = (),
    ) -> None:
        self.configs = (config, *later)
        self.config, self.program, self.replaced, self.by_hand = config, program, replaced or {}, by_hand
        self.references = References()
        self.answers = {item_of(function): answer for function, answer in answers.items()}
        self.answered: dict[Item, set[str]] = {}  # the modules in which a predicate decided a branch
        self.constants: set[str] = set()
        self.everywhere = {"config": config, "families": families, "chosen_changes": chosen_changes}
        self.scope = self._scope(values)

    def _scope(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What expressions may be made of whose value is known: the configuration, and the program's names for it."""
        scope = {**self.everywhere, **values}
        scope["CHANGES"] = tuple(self._change(family) for family in chosen_changes(self.config))
        for name, node in read(self.program).definitions.items():
            if isinstance(node, ast.Assign) and name not in scope:
                value = evaluate(node.value, scope)
                scope |= {} if value is NOTHING else {name: value}
        return scope

    def _change(self, family: str) -> Any:
        """An augmentation as the program names it: the function, or how to make it where it needs a table first."""
        technique, knobs = self.config.technique(family), getattr(self.config, family).knobs
        prepare = technique.facts.get("prepare")
        if prepare is None:
            return self.config.bound(family)
        wanted = inspect.signature(prepare).parameters
        knobs = {name: value for name, value in knobs.items() if name in wanted}
        return Prepared(item_of(technique.function), item_of(prepare), knobs)

    def __call__(self, item: Item) -> str:
        """A definition's text, without registration and without branches that this configuration has no use for."""
        text = with_plain_signatures(
            item, Text(read(item.module).text_of(item.name)), self._knobs(item), not self.by_hand
        )
        scope = self.scope if item.module == self.program else self.everywhere
        decide, rewrite = partial(self._decide, item.module, scope), partial(self._rewritten, scope)
        text = folded(text, decide, rewrite)
        while (longer := unrolled(Text(text))) is not None:
            text = folded(longer, decide, rewrite)
        return text

    def _knobs(self, item: Item) -> Mapping[str, Any]:
        """The knobs of a technique's function, where the configuration chose it."""
        for family, technique in chosen(self.config):
            if item_of(technique.function) == item:
                return dict(getattr(self.config, family).knobs)
        return {}

    # -- conditions and values --------------------------------------------------------------------------------

    def _decide(self, module: str, scope: Mapping[str, Any], node: ast.expr) -> bool | None:
        """Whether a condition holds; None where only the running script knows."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            predicate = read(module).meaning(node.func.id)
            if isinstance(predicate, Item) and (answer := self.answers.get(predicate)) is not None:
                self.answered.setdefault(predicate, set()).add(module)
                return answer
        value = evaluate(node, scope)
        return None if value is NOTHING else bool(value)

    def _rewritten(self, scope: Mapping[str, Any], node: ast.expr) -> str | None:
        """What to write in the place of an expression that the configuration determines."""
        if isinstance(node, ast.Call) and any(is_config(one) for one in node.args):
            kept = [one for one in node.args if not is_config(one)]
            return ast.unparse(ast.Call(node.func, kept, node.keywords))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Call):
            form = evaluate(node.func, scope)
            return self._in_short(form.family, node.keywords) if isinstance(form, Form) else None
        if (name := knob_read(self.config, node)) is not None:
            self.constants.add(name.upper())
            return name.upper()
        if isinstance(node, ast.Attribute) and is_config(node.value):
            return None
        value = evaluate(node, scope)
        return None if value is NOTHING else self._written(value)

    def _in_short(self, family: str, given: list[ast.keyword]) -> str:
        """A call of what a technique's decorator gives as `short`, with its knobs and what else it wants of what is given."""
        function = self.config.technique(family).function
        source = read(function.__module__)
        form = source.shorts[function.__name__]
        name = form.id if isinstance(form, ast.Name) else f"{function.__name__}{SHORT}"
        node, knobs = source.definitions[name], getattr(self.config, family).knobs
        assert isinstance(node, ast.FunctionDef)
        values = {str(one.arg): ast.unparse(one.value) for one in given}
        values |= {knob: literal(value) for knob, value in knobs.items()}
        wanted = [values[one.arg] for one in node.args.args]
        return f"{self.references.place(Item(source.name, name))}({', '.join(wanted)})"

    def _written(self, value: Any) -> str | None:
        """A value as source: a literal, the name of a technique's function, a network, or a list of these."""
        if value is None or isinstance(value, bool | int | float | str):
            return literal(value)
        if isinstance(value, Source):
            return value.text
        if isinstance(value, partial):
            return self.references.place(item_of(value.func))
        if isinstance(value, FunctionType):
            return self.references.place(item_of(value)) if value.__name__ != "<lambda>" else None
        if isinstance(value, dict):
            return f"{{{', '.join(f'{literal(key)}: {self._written(one)}' for key, one in value.items())}}}"
        if isinstance(value, Made):
            return Writer(self.references.place, self.scope.get("SEQUENTIAL"))(value)
        if isinstance(value, Later):
            return f"lambda: {self._written(value.network)}"
        if isinstance(value, Item | Import):
            return self.references.place(value)
        if isinstance(value, Called):
            parts = [str(self._written(one)) for one in value.first]
            parts += [f"{name}={self._written(one)}" for name, one in value.named.items()]
            return f"{self.references.place(value.function)}({', '.join(parts)})"
        if isinstance(value, Prepared):
            prepared = self.references.place(Item(self.program, "prepared"))
            parts = [self.references.place(value.change), self.references.place(value.prepare), "data"]
            parts += [f"{name}={literal(knob)}" for name, knob in value.knobs.items()]
            return f"{prepared}({', '.join(parts)})"
        if isinstance(value, tuple | list):
            parts = [str(self._written(part)) for part in value]
            if isinstance(value, list):
                return f"[{', '.join(parts)}]"
            return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
        return None


def item_of(function: Callable[..., Any]) -> Item:
    """Where a function is defined, or what stands in for it in a script."""
    meaning = read(function.__module__).meaning(function.__name__)
    if not isinstance(meaning, Item):
        raise ValueError(f"{function.__module__}.{function.__name__} is not defined at the top of its module")
    return meaning


def is_config(node: ast.expr) -> bool:
    """Whether an expression is the run's configuration itself."""
    return isinstance(node, ast.Name) and node.id == "config"


def knob_read(config: RunConfig, node: ast.expr) -> str | None:
    """The plain knob, by its attribute, that an expression reads: `config.epochs`, or `config.seed_for("order")`."""
    match node:
        case ast.Call(ast.Attribute(value, "seed_for"), [ast.Constant(str(purpose))]) if is_config(value):
            own = f"{purpose}_seed"
            return "seed" if getattr(config, own) is None else own
        case ast.Attribute(value, name) if is_config(value) and name in type(config).model_fields:
            return None if isinstance(getattr(config, name), Choice) else name
    return None


def evaluate(node: ast.expr, scope: Mapping[str, Any]) -> Any:
    """The value of an expression made of the names in `scope` and of builtins, or NOTHING."""
    nodes = list(ast.walk(node))
    found = [one for one in nodes if isinstance(one, ast.Name)]
    names = {one.id for one in found} - {one.id for one in found if not isinstance(one.ctx, ast.Load)}
    trains = any(isinstance(one, ast.Call) and isinstance(one.func, ast.Call) for one in nodes)
    if (
        trains
        or isinstance(node, ast.Starred)
        or not names & scope.keys()
        or not names <= {*scope, "any", "bool"}
    ):
        return NOTHING
    if not isinstance(node, ast.Name) and any(isinstance(scope.get(name), Made | Source) for name in names):
        return NOTHING  # known as text alone
    code = compile(ast.fix_missing_locations(ast.Expression(node)), "script", "eval")
    return eval(code, dict(scope))  # noqa: S307 - the project's own source


def chosen(config: RunConfig) -> Iterator[tuple[str, Technique]]:
    """(family, technique) for each choice of a configuration."""
    return ((name, config.technique(name)) for name in type(config).model_fields if name in families())
