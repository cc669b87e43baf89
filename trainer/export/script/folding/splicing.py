"""The statements of a function in the place of its only call, where they are read more easily than a call."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from trainer.export.script.source.edits import Edit, parsed
from trainer.export.script.source.names import bound_in

LONGEST_COMMENT = 110


def spliced(main: str, name: str, function: str, taken: Iterable[str]) -> str | None:
    """The main function with the statements of another in the place of `targets = name()`; None where they do not fit.

    They do not where the other returns early or binds names that are `taken` or that the main function has bound before.
    """
    host, other = parsed(main), parsed(function)
    node = other.tree.body[0]
    call = next((one for one in host.nodes if isinstance(one, ast.Assign) and _calls(one.value, name)), None)
    if not isinstance(node, ast.FunctionDef) or call is None or node.decorator_list:
        return None
    doc = ast.get_docstring(node)
    body = node.body[1:] if doc is not None else node.body
    last = body[-1]
    returns = [one for one in ast.walk(node) if isinstance(one, ast.Return)]
    if returns != [last] or not isinstance(last, ast.Return) or last.value is None:
        return None
    before = {
        one.id
        for one in host.nodes
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store) and one.lineno < call.lineno
    }
    if bound_in(node) & {*taken, *before}:
        return None
    comment = f"    # {(doc or '').splitlines()[0].rstrip('.')}\n" if doc else ""
    comment = comment if len(comment) <= LONGEST_COMMENT else ""
    targets = " = ".join(host.of(one) for one in call.targets)
    start, end = other.rows(body[0].lineno, body[0].lineno)[0], other.rows(last.lineno, last.lineno)[0]
    new = f"{comment}{other.text[start:end]}    {targets} = {other.of(last.value)}\n"
    return host.with_edits(Edit(*host.rows(call.lineno, call.end_lineno or call.lineno), new))


def _calls(node: ast.expr, name: str) -> bool:
    called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    return called and not (node.args or node.keywords)  # type: ignore[attr-defined]
