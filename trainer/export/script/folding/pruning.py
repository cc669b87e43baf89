"""What nothing uses any more: fields, methods and variables that are never read, definitions that nothing mentions."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from itertools import pairwise

from trainer.export.script.closure import Closure
from trainer.export.script.folding.parameters import bind, without_arguments
from trainer.export.script.folding.whole import Whole, is_pure
from trainer.export.script.source.edits import Edit, Text
from trainer.export.script.source.modules import Item


def reachable(texts: Mapping[Item, str], closure: Closure) -> dict[Item, str]:
    """The definitions that the main function leads to, in the order in which it comes to them."""
    found: dict[Item, str] = {}

    def visit(item: Item) -> None:
        found[item] = texts[item]
        for other in (*closure.specialize.references.within(texts[item]), *closure.spelled[item]):
            if isinstance(other, Item) and other not in found:
                visit(other)

    visit(closure.main)
    return found


def prune(whole: Whole) -> None:
    """Notes the edits that leave out what is never read."""
    for item in whole.texts:
        node = whole.node(item)
        if isinstance(node, ast.ClassDef) and not node.bases:
            _prune_methods(whole, item, node)
            if any(whole.means(one, "dataclasses", "dataclass") for one in map(_called, node.decorator_list)):
                _prune_fields(whole, item, node)
        if isinstance(node, ast.FunctionDef):
            _prune_variables(whole, item)
        _return_at_once(whole, item)


def _called(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _prune_methods(whole: Whole, item: Item, node: ast.ClassDef) -> None:
    text = whole.text(item)
    for before, method in zip(node.body, node.body[1:], strict=False):
        if not isinstance(method, ast.FunctionDef) or method.name.startswith("__"):
            continue
        own = sum(isinstance(one, ast.Attribute) and one.attr == method.name for one in ast.walk(method))
        if whole.attributes[method.name] == own:
            rows = text.rows((before.end_lineno or 0) + 1, method.end_lineno or 0)
            whole.edit({item: [Edit(*rows, "")]})


def _prune_fields(whole: Whole, item: Item, node: ast.ClassDef) -> None:
    """A field that nothing reads goes, and what constructors are given for it."""
    fields = [one for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)]
    calls = [(use.host, use.call) for use in whole.uses[item] if use.call is not None]
    arguments = ast.arguments([], [ast.arg(one.target.id) for one in fields], None, [], [], None, [])  # type: ignore[union-attr]
    bound = [bind(arguments, call) for _, call in calls]
    if "__dict__" in whole.attributes or any(values is None for values in bound):
        return
    gone = {
        name
        for name in (one.arg for one in arguments.args)
        if name not in whole.attributes
        and all(values and (values[name] is None or is_pure(values[name])) for values in bound)  # type: ignore[arg-type]
    }
    if not gone:
        return
    text = whole.text(item)
    edits = {item: [_rows_of(text, one) for one in fields if one.target.id in gone]}  # type: ignore[union-attr]
    for (host, call), values in zip(calls, bound, strict=True):
        edits.setdefault(host, []).append(without_arguments(whole.text(host), call, values or {}, gone))
    whole.edit(edits)


def _rows_of(text: Text, node: ast.stmt) -> Edit:
    return Edit(*text.rows(node.lineno, node.end_lineno or node.lineno), "")


def _prune_variables(whole: Whole, item: Item) -> None:
    """A variable that is never read goes; one that only stands for a definition, None, True or False is replaced by it."""
    text = whole.text(item)
    for one in text.nodes:
        name = _only_target(one)
        if (
            not isinstance(one, ast.Assign | ast.AnnAssign)
            or one.value is None
            or name is None
            or name in text.hidden
        ):
            continue
        uses = text.loads.get(name, [])
        stands = isinstance(one.value, ast.Name) and whole.is_constant(one.value)
        stands |= isinstance(one.value, ast.Constant) and isinstance(one.value.value, bool | None)
        if text.bound[name] == 1 and (stands or (not uses and is_pure(one.value))):
            new = [Edit(*text.span(use), text.of(one.value)) for use in uses]
            whole.edit({item: [*new, _rows_of(text, one)]})


def _return_at_once(whole: Whole, item: Item) -> None:
    """What is only named to be returned is returned without a name."""
    text = whole.text(item)
    for node in text.nodes:
        for one, following in pairwise(
            getattr(node, "body", ()) if isinstance(node, ast.FunctionDef) else ()
        ):
            name = _only_target(one)
            if not isinstance(one, ast.Assign | ast.AnnAssign) or one.value is None or name is None:
                continue
            returned = (
                isinstance(following, ast.Return)
                and isinstance(following.value, ast.Name)
                and following.value.id == name
            )
            if returned and len(text.loads[name]) == 1 and text.bound[name] == 1 and name not in text.hidden:
                new = f"{' ' * one.col_offset}return {text.of(one.value)}\n"
                whole.edit({item: [Edit(*text.rows(one.lineno, following.end_lineno or 0), new)]})


def _only_target(node: ast.AST) -> str | None:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else None
