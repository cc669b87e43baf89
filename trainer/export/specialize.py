"""One definition, made ready for one configuration: knobs filled in, branches that it rules out taken away."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from trainer.config import Choice, RunConfig
from trainer.engine.augment import chosen_changes
from trainer.export.edits import Edit, Text, literal, signature
from trainer.export.sources import Item, read
from trainer.registry import Technique, families

REGISTERING = ("technique", "stands_in")
PROGRAM = "trainer.export.program"
PREPARED = Item(PROGRAM, "prepared")
NOTHING = object()


@dataclass(frozen=True)
class Prepared:
    """A change of training batches that looks things up in a table made by `prepare`."""

    change: Item
    prepare: Item
    knobs: Mapping[str, Any]


class Specializer:
    """Rewrites definitions for `config`.

    `reference(item)` gives the name that an item of the project has in the script, `constant(knob)` the name of a plain knob.
    `truths` decides conditions that hang on the data rather than on knobs, by their text, such as "parts.vocabulary".
    """

    def __init__(
        self,
        config: RunConfig,
        reference: Callable[[Item], str],
        constant: Callable[[str], str],
        truths: Mapping[str, bool],
    ) -> None:
        self.config, self.reference, self.constant, self.truths = config, reference, constant, truths
        self.scope = self._scope()

    def _scope(self) -> dict[str, Any]:
        """What expressions may be made of whose value is known: the configuration, and the program's names for it."""
        scope = {"config": self.config, "families": families, "chosen_changes": chosen_changes}
        scope["READS_FILES"] = reads_files(self.config.technique("data"))
        scope["CHANGES"] = tuple(self._change(family) for family in chosen_changes(self.config))
        for name, node in read(PROGRAM).definitions.items():
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
        text = self._with_knobs(item, Text(read(item.module).text_of(item.name)))
        while (edit := self._next_fold(Text(text))) is not None:
            text = Text(text).with_edits(edit)
        return text

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
            if item_of(technique.function) == item:
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

    # -- folding ----------------------------------------------------------------------------------------------

    def _next_fold(self, text: Text) -> Edit | None:
        """The next piece to replace: a decided branch, or an expression whose value is known. Outer ones come first."""
        nodes = list(walk(text.tree))
        for node in nodes:
            if isinstance(node, ast.If) and (truth := self.decide(node.test)) is not None:
                return text.keep_branch(node, truth)
            if isinstance(node, ast.IfExp) and (truth := self.decide(node.test)) is not None:
                return Edit(*text.grouped(node), text.of(node.body if truth else node.orelse))
            if isinstance(node, ast.BoolOp) and (part := self._only_open(node)) is not None:
                return Edit(*text.span(node), text.of(part))
        for node in nodes:
            if isinstance(node, ast.expr) and (new := self._known_text(node)) is not None:
                return Edit(*text.span(node), new)
            if isinstance(node, ast.Call) and any(ast.unparse(one) == "config" for one in node.args):
                node.args = [one for one in node.args if ast.unparse(one) != "config"]
                return Edit(*text.span(node), ast.unparse(node))
        return None

    def decide(self, node: ast.expr) -> bool | None:
        """Whether a condition holds; None where only the running script knows."""
        if (truth := self.truths.get(ast.unparse(node))) is not None:
            return truth
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.decide(node.operand)
            return None if inner is None else not inner
        if isinstance(node, ast.BoolOp):
            decided, settling = [self.decide(part) for part in node.values], isinstance(node.op, ast.Or)
            return settling if settling in decided else None if None in decided else not settling
        value = evaluate(node, self.scope)
        return None if value is NOTHING else bool(value)

    def _only_open(self, node: ast.BoolOp) -> ast.expr | None:
        """What is left of `a and b` where all but one part is settled."""
        open_parts = [part for part in node.values if self.decide(part) is None]
        return open_parts[0] if len(open_parts) == 1 else None

    def _known_text(self, node: ast.expr) -> str | None:
        """What to write in the place of an expression that the configuration determines."""
        plain = ast.unparse(node)
        if (
            plain.startswith("config.")
            and (knob := plain.removeprefix("config.")) in type(self.config).model_fields
        ):
            return None if isinstance(getattr(self.config, knob), Choice) else self.constant(knob)
        value = evaluate(node, self.scope)
        return None if value is NOTHING else self._written(value)

    def _written(self, value: Any) -> str | None:
        """A value as source: a literal, the name of a technique's function, or a tuple of these."""
        if value is None or isinstance(value, bool | int | float | str):
            return literal(value)
        if isinstance(value, partial):
            return self.reference(item_of(value.func))
        if isinstance(value, Prepared):
            parts = [self.reference(value.change), self.reference(value.prepare), "data"]
            parts += [f"{name}={literal(knob)}" for name, knob in value.knobs.items()]
            return f"{self.reference(PREPARED)}({', '.join(parts)})"
        if isinstance(value, tuple):
            parts = [str(self._written(part)) for part in value]
            if any(
                isinstance(part, Prepared) for part in value
            ):  # long: a line each, as deep as in the program
                return "\n".join(["(", *(f"        {part}," for part in parts), "    )"])
            return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
        return None


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


def walk(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes, outer before inner, but for what stands in an f-string: Python 3.11 does not know where that is."""
    waiting = [tree]
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, ast.JoinedStr):
            waiting.extend(ast.iter_child_nodes(node))


def chosen(config: RunConfig) -> Iterator[tuple[str, Technique]]:
    """(family, technique) for each choice of a configuration."""
    return ((name, config.technique(name)) for name in type(config).model_fields if name in families())


def item_of(function: Callable[..., Any]) -> Item:
    """Where a function is defined, or what stands in for it in a script."""
    meaning = read(function.__module__).meaning(function.__name__)
    if not isinstance(meaning, Item):
        raise ValueError(f"{function.__module__}.{function.__name__} is not defined at the top of its module")
    return meaning


def reads_files(data: Technique) -> bool:
    """Whether a data set's function looks into the folder that it receives."""
    item = item_of(data.function)
    node = read(item.module).definitions[item.name]
    return isinstance(node, ast.FunctionDef) and uses(node, "folder")


def uses(node: ast.FunctionDef, name: str) -> bool:
    """Whether a function's body mentions a name."""
    return any(isinstance(one, ast.Name) and one.id == name for part in node.body for one in ast.walk(part))


def registers(decorator: ast.expr) -> bool:
    """Whether a decorator only tells the registry of a function."""
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func) in REGISTERING


def drop_parameter(node: ast.FunctionDef, name: str) -> None:
    """Takes a positional parameter without a default out of a signature."""
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
