"""Leaving out what is decided: the branch of an `if` that is never taken, half of an `and`, a loop over known names."""

from __future__ import annotations

import ast
import textwrap
from collections import deque
from collections.abc import Callable, Iterable

from trainer.export.script.source.edits import Edit, Text, literal, parsed

ATOMS = (
    ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.Constant | ast.JoinedStr
    | ast.List | ast.Dict | ast.Set | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
)  # fmt: skip
TIGHT = ast.BinOp | ast.UnaryOp | ast.Compare | ast.BoolOp | ast.Attribute | ast.Subscript | ast.Starred
Decide = Callable[[ast.expr], bool | None]


def folded(text: str, decide: Decide, rewrite: Callable[[ast.expr], str | None] = lambda _: None) -> str:
    """A definition without the branches that `decide` rules out, with what `rewrite` makes of its expressions."""
    while True:
        while edits := _branches(parsed(text), decide):
            text = parsed(text).with_edits(*edits)
        if not (edits := _rewritten(parsed(text), rewrite)):
            return text
        text = parsed(text).with_edits(*edits)


def _branches(text: Text, decide: Decide) -> list[Edit]:
    """The next branches to leave out: outer ones before inner ones, and those together that have nothing in common."""
    edits: list[Edit] = []
    for node in text.visible:
        if isinstance(node, ast.If | ast.IfExp | ast.BoolOp) and not _overlaps(text.span(node), edits):
            edit = _branch(text, node, decide)
            if edit is not None and not _overlaps(edit[:2], edits):
                edits.append(edit)
    return edits


def _overlaps(span: tuple[int, int], edits: list[Edit]) -> bool:
    return any(span[0] < edit.end and edit.start < span[1] for edit in edits)


def _branch(text: Text, node: ast.If | ast.IfExp | ast.BoolOp, decide: Decide) -> Edit | None:
    """Leaves out what is decided of a branch; None where nothing is."""
    if isinstance(node, ast.BoolOp):
        part = _only_open(node, decide)
        return None if part is None else _put(text, node, part)
    if (truth := settled(node.test, decide)) is None:
        return None
    if isinstance(node, ast.If):
        return text.keep_branch(node, truth)
    return _put(text, node, node.body if truth else node.orelse)


def _rewritten(text: Text, rewrite: Callable[[ast.expr], str | None]) -> list[Edit]:
    """What `rewrite` makes of the expressions, and nothing of what stands within one that it has replaced."""
    edits, found = [], deque[ast.AST]([text.tree])
    while found:
        node = found.popleft()
        if isinstance(node, ast.expr) and (new := rewrite(node)) is not None:
            edits.append(Edit(*text.span(node), new))
        elif not isinstance(node, ast.JoinedStr):
            found.extend(ast.iter_child_nodes(node))
    return edits


def _put(text: Text, node: ast.expr, part: ast.expr) -> Edit:
    """A part of an expression in the place of the whole; parentheses go where the part needs none."""
    keeps = needs_parentheses(part, text.parents[node])
    return Edit(*(text.span(node) if keeps else text.grouped(node)), text.of(part))


def needs_parentheses(node: ast.expr, parent: ast.AST) -> bool:
    """Whether an expression must be grouped where it becomes part of another."""
    if isinstance(node, ATOMS):
        return False
    if isinstance(node, ast.Tuple):
        return not isinstance(parent, ast.Return | ast.Assign)
    if isinstance(node, ast.Lambda | ast.IfExp | ast.NamedExpr):
        return not isinstance(parent, ast.Return | ast.Assign | ast.keyword | ast.Call)
    return isinstance(parent, TIGHT)


def settled(node: ast.expr, decide: Decide) -> bool | None:
    """Whether a condition holds; None where only the running script knows."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = settled(node.operand, decide)
        return None if inner is None else not inner
    if isinstance(node, ast.BoolOp):
        decided, ends = [settled(part, decide) for part in node.values], isinstance(node.op, ast.Or)
        return ends if ends in decided else None if None in decided else not ends
    return decide(node)


def _only_open(node: ast.BoolOp, decide: Decide) -> ast.expr | None:
    """What is left of `a and b` where all but one part is settled, and none of them settles the whole."""
    if settled(node, decide) is not None:
        return None
    open_parts = [part for part in node.values if settled(part, decide) is None]
    return open_parts[0] if len(open_parts) == 1 else None


def unrolled(text: Text) -> str | None:
    """The text with one loop over literal names written out; None when there is none."""
    for node in text.visible:
        if isinstance(node, ast.For) and (names := _literal_names(node.iter)) is not None:
            first, last = node.body[0].lineno, node.end_lineno or 0
            copies = _copies(text, text.rows(first, last), node.target, names)
            lines = "\n".join(copy.rstrip("\n") for copy in copies) + "\n"
            body = textwrap.indent(textwrap.dedent(lines), " " * node.col_offset)
            return text.with_edits(Edit(*text.rows(node.lineno, last), body))
        if isinstance(node, ast.Starred) and isinstance(loop := node.value, ast.GeneratorExp):
            names = _literal_names(loop.generators[0].iter)
            if names is not None:
                copies = _copies(text, text.span(loop.elt), loop.generators[0].target, names)
                return text.with_edits(Edit(*text.span(node), ", ".join(copies)))
    return None


def _literal_names(node: ast.expr) -> list[str] | None:
    if not isinstance(node, ast.Tuple) or not all(isinstance(one, ast.Constant) for one in node.elts):
        return None
    return [str(one.value) for one in node.elts if isinstance(one, ast.Constant)]


def _copies(text: Text, span: tuple[int, int], target: ast.expr, names: Iterable[str]) -> list[str]:
    """A part of the text for each name, which goes where the loop's variable was."""
    return [text.with_name(span, ast.unparse(target), literal(name)) for name in names]
