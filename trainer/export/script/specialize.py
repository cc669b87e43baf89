"""One definition, made ready for one configuration: knobs filled in, branches that it rules out left out."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from trainer.config import Choice, RunConfig
from trainer.engine.augment import chosen_changes
from trainer.export.script.folding.branches import folded
from trainer.export.script.network import Made, Writer
from trainer.export.script.predicates import Predicate
from trainer.export.script.source.edits import Edit, Text, literal, signature
from trainer.export.script.source.modules import Item, read
from trainer.export.script.source.references import References
from trainer.registry import Technique, families

REGISTERING = ("technique", "stands_in", "short_form")
NOTHING = object()


@dataclass(frozen=True)
class Prepared:
    """A change of training batches that looks things up in a table made by `prepare`."""

    change: Item
    prepare: Item
    knobs: Mapping[str, Any]


class Specializer:
    """Rewrites definitions for `config`.

    `program` is the module with the script's main function, `marks` say which stand-ins take a function's place, `answers` what
    predicates return, `values` what names mean that the program leaves open.
    """

    def __init__(
        self,
        config: RunConfig,
        program: str,
        marks: tuple[str, ...],
        answers: Mapping[Predicate, bool | None],
        values: Mapping[str, Any],
    ) -> None:
        self.config, self.program, self.marks = config, program, marks
        self.references = References()
        self.answers = {self.item_of(function): answer for function, answer in answers.items()}
        self.answered: dict[Item, set[str]] = {}  # the modules in which a predicate decided a branch
        self.constants: set[str] = set()
        self.scope = self._scope(values)

    def _scope(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What expressions may be made of whose value is known: the configuration, and the program's names for it."""
        scope = {"config": self.config, "families": families, "chosen_changes": chosen_changes, **values}
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
        return Prepared(self.item_of(technique.function), self.item_of(prepare), knobs)

    def item_of(self, function: Callable[..., Any]) -> Item:
        """Where a function is defined, or what stands in for it in a script."""
        meaning = read(function.__module__).meaning(function.__name__, self.marks)
        if not isinstance(meaning, Item):
            raise ValueError(
                f"{function.__module__}.{function.__name__} is not defined at the top of its module"
            )
        return meaning

    def __call__(self, item: Item) -> str:
        """A definition's text, without registration and without branches that this configuration has no use for."""
        text = self._with_knobs(item, Text(read(item.module).text_of(item.name)))
        return folded(text, partial(self._decide, item.module), self._rewritten)

    # -- signatures and annotations ---------------------------------------------------------------------------

    def _with_knobs(self, item: Item, text: Text) -> str:
        edits = []
        for node in ast.walk(text.tree):
            if isinstance(node, ast.FunctionDef):
                place = text.header(node)
                knobs = self._chosen_knobs(item) if node.name == item.name else {}
                if header := self._header(item.module, node, knobs):
                    edits.append(Edit(*place, header))
            elif isinstance(node, ast.AnnAssign):
                edits.append(
                    Edit(*text.span(node.annotation), plain_annotation(item.module, node.annotation))
                )
        return text.with_edits(*edits)

    def _chosen_knobs(self, item: Item) -> Mapping[str, Any]:
        """The knobs of a technique's function, where the configuration chose it."""
        for family, technique in chosen(self.config):
            if self.item_of(technique.function) == item:
                return dict(getattr(self.config, family).knobs)
        return {}

    def _header(self, module: str, node: ast.FunctionDef, knobs: Mapping[str, Any]) -> str:
        """The signature as the script has it; empty where it stays as it is."""
        before, arguments = signature(node, node.col_offset), node.args
        node.decorator_list = [one for one in node.decorator_list if not registers(one)]
        drop_parameter(node, "config")
        if not uses(node, "folder"):
            drop_parameter(node, "folder")
        for place, argument in enumerate(arguments.kwonlyargs):
            if argument.arg in knobs:
                arguments.kw_defaults[place] = ast.Constant(knobs[argument.arg])
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            if argument.annotation is not None:
                argument.annotation = ast.Name(plain_annotation(module, argument.annotation))
        if node.returns is not None:
            node.returns = ast.Name(plain_annotation(module, node.returns))
        after = signature(node, node.col_offset)
        return "" if after == before else after

    # -- conditions and values --------------------------------------------------------------------------------

    def _decide(self, module: str, node: ast.expr) -> bool | None:
        """Whether a condition holds; None where only the running script knows."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            predicate = read(module).meaning(node.func.id, self.marks)
            if isinstance(predicate, Item) and (answer := self.answers.get(predicate)) is not None:
                self.answered.setdefault(predicate, set()).add(module)
                return answer
        value = evaluate(node, self.scope)
        return None if value is NOTHING else bool(value)

    def _rewritten(self, node: ast.expr) -> str | None:
        """What to write in the place of an expression that the configuration determines."""
        if isinstance(node, ast.Call) and any(is_config(one) for one in node.args):
            kept = [one for one in node.args if not is_config(one)]
            return ast.unparse(ast.Call(node.func, kept, node.keywords))
        if (
            isinstance(node, ast.Attribute)
            and is_config(node.value)
            and node.attr in type(self.config).model_fields
        ):
            if isinstance(getattr(self.config, node.attr), Choice):
                return None
            self.constants.add(node.attr.upper())
            return node.attr.upper()
        value = evaluate(node, self.scope)
        return None if value is NOTHING else self._written(value)

    def _written(self, value: Any) -> str | None:
        """A value as source: a literal, the name of a technique's function, a network, or a tuple of these."""
        if value is None or isinstance(value, bool | int | float | str):
            return literal(value)
        if isinstance(value, partial):
            return self.references.place(self.item_of(value.func))
        if isinstance(value, Made):
            return Writer(self.references.place, self.scope.get("SEQUENTIAL"))(value)
        if isinstance(value, Prepared):
            prepared = self.references.place(Item(self.program, "prepared"))
            parts = [self.references.place(value.change), self.references.place(value.prepare), "data"]
            parts += [f"{name}={literal(knob)}" for name, knob in value.knobs.items()]
            return f"{prepared}({', '.join(parts)})"
        if isinstance(value, tuple):
            parts = [str(self._written(part)) for part in value]
            return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
        return None


def is_config(node: ast.expr) -> bool:
    """Whether an expression is the run's configuration itself."""
    return isinstance(node, ast.Name) and node.id == "config"


def evaluate(node: ast.expr, scope: Mapping[str, Any]) -> Any:
    """The value of an expression made of the names in `scope` and of builtins, or NOTHING."""
    nodes = list(ast.walk(node))
    names = {one.id for one in nodes if isinstance(one, ast.Name)}
    stores = any(isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load) for one in nodes)
    trains = any(isinstance(one, ast.Call) and isinstance(one.func, ast.Call) for one in nodes)
    if stores or trains or not names & scope.keys() or not names <= {*scope, "any", "bool"}:
        return NOTHING
    code = compile(ast.fix_missing_locations(ast.Expression(node)), "script", "eval")
    return eval(code, dict(scope))  # noqa: S307 - the project's own source


def chosen(config: RunConfig) -> Iterator[tuple[str, Technique]]:
    """(family, technique) for each choice of a configuration."""
    return ((name, config.technique(name)) for name in type(config).model_fields if name in families())


def uses(node: ast.FunctionDef, name: str) -> bool:
    """Whether a function's body mentions a name."""
    return any(isinstance(one, ast.Name) and one.id == name for part in node.body for one in ast.walk(part))


def registers(decorator: ast.expr) -> bool:
    """Whether a decorator only tells the registry of a function."""
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func) in REGISTERING


def drop_parameter(node: ast.FunctionDef, name: str) -> None:
    """Removes a positional parameter without a default from a signature."""
    node.args.args = [argument for argument in node.args.args if argument.arg != name]


def plain_annotation(module: str, node: ast.expr) -> str:
    """An annotation without `Annotated` and without the project's aliases."""
    return ast.unparse(_Plain(module).visit(ast.parse(ast.unparse(node), mode="eval").body))


class _Plain(ast.NodeTransformer):
    def __init__(self, module: str) -> None:
        self.module = module

    def visit_Name(self, node: ast.Name) -> ast.expr:
        meaning = read(self.module).meaning(node.id)
        if isinstance(meaning, Item):
            alias = read(meaning.module).definitions[meaning.name]
            if isinstance(alias, ast.Assign):
                return ast.Name(plain_annotation(meaning.module, alias.value))
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        kind = ast.unparse(node.value)
        if kind == "Annotated" and isinstance(node.slice, ast.Tuple):
            return self.visit(node.slice.elts[0])  # type: ignore[no-any-return]
        if kind == "Literal":
            return ast.Name("str")
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Name(node.value) if isinstance(node.value, str) else node
