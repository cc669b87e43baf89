"""Functions that only wrap one expression: the expression goes where they were called."""

from __future__ import annotations

import ast

from trainer.export.script.folding.branches import needs_parentheses
from trainer.export.script.folding.parameters import bind
from trainer.export.script.folding.whole import Use, Whole, is_pure
from trainer.export.script.source.edits import Edit, Text, bound_within
from trainer.export.script.source.modules import Item

SHORT = 100  # characters of an expression that may stand in several places
MOST_USES = 2  # of a function that is worth less than its name


def inline(whole: Whole) -> None:
    """Notes the edits that put one-line functions where they are called."""
    for item in whole.texts:
        node = whole.node(item)
        if isinstance(node, ast.FunctionDef) and item.name != "main":
            expression = _expression(node)
            if expression is not None and not _has_comment(whole.text(item), node):
                _inline(whole, item, node, expression)


def _expression(node: ast.FunctionDef) -> ast.expr | None:
    """What a function returns, where it does nothing else; of one that returns nothing, the call that it makes."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if node.decorator_list:
        return None
    match body:
        case [ast.Return(value=ast.expr() as value)]:
            return value
        case [ast.Expr(value=ast.Call() as value)]:
            return value
        case [
            ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value),
            ast.Return(value=ast.Name(id=same)),
        ]:
            return value if name == same else None
    return None


def _has_comment(text: Text, node: ast.FunctionDef) -> bool:
    return any("#" in line for line in text.lines[node.lineno - 1 :])


def _inline(whole: Whole, item: Item, node: ast.FunctionDef, expression: ast.expr) -> None:
    uses = whole.uses[item]
    text = whole.text(item)
    if any(use.host == item for use in uses) or any(
        isinstance(one, ast.JoinedStr | ast.NamedExpr) for one in ast.walk(expression)
    ):
        return
    if len(uses) > 1 and (len(text.of(expression)) > SHORT or len(uses) > MOST_USES):
        return
    edits: dict[Item, list[Edit]] = {}
    for use in uses:
        new = _filled(whole, text, node, expression, use) if use.call is not None else None
        if use.call is None or new is None:
            return
        edits.setdefault(use.host, []).append(Edit(*whole.text(use.host).span(use.call), new))
    whole.edit(edits)


def _filled(whole: Whole, text: Text, node: ast.FunctionDef, expression: ast.expr, use: Use) -> str | None:
    """The expression with a call's arguments in it, or None where it cannot stand there."""
    host, call = whole.text(use.host), use.call
    assert call is not None
    values = bind(node.args, call)
    parent = host.parents[call]
    returns = any(isinstance(one, ast.Return) for one in node.body)
    if values is None or not (returns or isinstance(parent, ast.Expr)):
        return None
    start, end = text.span(expression)
    inner, edits = set(bound_within(expression)), []
    busy = []  # where arguments that do something are evaluated: there, and here
    for name, value in values.items():
        if value is None:
            return None  # a default: first every call must be found to leave it out
        reads = text.loads.get(name, [])
        simple = isinstance(value, ast.Name | ast.Constant) or _is_dotted(value)
        free = {one.id for one in ast.walk(value) if isinstance(one, ast.Name)}
        busy += [(host.span(value), text.span(read)) for read in reads if not is_pure(value)]
        if (len(reads) > 1 and not simple) or (not reads and not is_pure(value)) or inner & free:
            return None
        for read in reads:
            new = host.of(value)
            if needs_parentheses(value, text.parents[read]):
                new = f"({new})"
            edits.append(Edit(text.span(read)[0] - start, text.span(read)[1] - start, new))
    if [there for _, there in sorted(busy)] != sorted(there for _, there in busy):
        return None
    new = text.text[start:end]
    for one in sorted(edits, reverse=True):
        new = new[: one.start] + one.new + new[one.end :]
    own_parentheses = isinstance(expression, ast.Tuple) and text.span(expression.elts[0])[0] > start
    if own_parentheses and "\n" not in new and isinstance(parent, ast.Assign | ast.Return):
        return new[1:-1]
    grouped = needs_parentheses(expression, parent) or ("\n" in new and not isinstance(expression, ast.Call))
    return f"({new})" if grouped else new


def _is_dotted(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and (isinstance(node.value, ast.Name) or _is_dotted(node.value))
