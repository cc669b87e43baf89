"""Changing source text at the places that its syntax tree points to, so that comments and layout stay."""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
from collections import Counter, deque
from functools import cached_property, lru_cache
from typing import NamedTuple

LONGEST_LINE = 110


class Edit(NamedTuple):
    """Characters from `start` to `end` become `new`."""

    start: int
    end: int
    new: str


class Text:
    """A piece of source with its syntax tree; lines count from 1, columns in bytes, as `ast` counts them."""

    def __init__(self, text: str) -> None:
        self.text, self.tree = text, ast.parse(text)
        self.lines = text.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes, outer before inner."""
        return list(ast.walk(self.tree))

    @cached_property
    def visible(self) -> list[ast.AST]:
        """The same but for what stands in f-strings: Python 3.11 does not know where that is."""
        found: deque[ast.AST] = deque([self.tree])
        nodes = []
        while found:
            nodes.append(node := found.popleft())
            if not isinstance(node, ast.JoinedStr):
                found.extend(ast.iter_child_nodes(node))
        return nodes

    @cached_property
    def loads(self) -> dict[str, list[ast.Name]]:
        """Where each name is read, outside f-strings."""
        found: dict[str, list[ast.Name]] = {}
        for node in self.visible:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found.setdefault(node.id, []).append(node)
        return found

    @cached_property
    def hidden(self) -> set[str]:
        """Names that stand in f-strings, where they cannot be replaced."""
        inside = (node for one in self.nodes if isinstance(one, ast.JoinedStr) for node in ast.walk(one))
        return {node.id for node in inside if isinstance(node, ast.Name)}

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """What each node stands in."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def bound(self) -> Counter[str]:
        """How often each name is bound: by assignments, loops, arguments and inner definitions."""
        return bound_within(self.tree.body[0])

    def at(self, line: int, column: int) -> int:
        """The character at a place of the tree."""
        before = self.lines[line - 1].encode()[:column] if column else b""
        return self.starts[line - 1] + len(before.decode())

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Where a node begins and ends."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self.at(node.lineno, node.col_offset), self.at(end_line, end_column)

    def of(self, node: ast.expr | ast.stmt) -> str:
        """A node as it is written."""
        start, end = self.span(node)
        return self.text[start:end]

    def grouped(self, node: ast.expr) -> tuple[int, int]:
        """The same, with parentheses around it that group it and call nothing."""
        start, end = self.span(node)
        before, after = self.text[:start].rstrip(), self.text[end:].lstrip()
        if re.search(r"[^\w)\]]\($", before) and after.startswith(")"):
            return len(before) - 1, len(self.text) - len(after) + 1
        return start, end

    def rows(self, first: int, last: int) -> tuple[int, int]:
        """Where whole lines begin and end, the line break included."""
        return self.starts[first - 1], self.starts[last]

    def with_edits(self, *edits: Edit) -> str:
        """The text after edits that do not overlap."""
        text = self.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def with_name(self, span: tuple[int, int], name: str, new: str) -> str:
        """A part of the text in which a name is replaced by an expression."""
        places = [
            place for node in self.loads.get(name, ()) if span[0] <= (place := self.span(node))[0] < span[1]
        ]
        text = self.text[span[0] : span[1]]
        for start, end in sorted(places, reverse=True):
            text = text[: start - span[0]] + new + text[end - span[0] :]
        return text

    def colon_row(self, row: int) -> int:
        """The line on which a header that begins at or before `row` ends with its colon."""
        while not self.lines[row - 1].split("#")[0].rstrip().endswith(":"):
            row += 1
        return row

    def keep_branch(self, node: ast.If, truth: bool) -> Edit:
        """Leaves one branch of an `if` or `elif` whose condition is decided."""
        last = node.end_lineno or node.lineno
        elif_ = self.of(node).startswith("elif")
        header = self.colon_row(node.test.end_lineno or node.lineno)
        body_end = node.body[-1].end_lineno or header
        indent = " " * node.col_offset
        if truth:
            if isinstance(node.body[-1], ast.Return | ast.Raise):
                last = self._block_end(node)  # what follows is never reached
            body = self._dedented(header + 1, body_end, node.body[0].col_offset, node.col_offset + 4 * elif_)
            return Edit(*self.rows(node.lineno, last), f"{indent}else:\n{body}" if elif_ else body)
        if not node.orelse:
            return Edit(*self.rows(node.lineno, last), "")
        follows = node.orelse[0]
        if isinstance(follows, ast.If) and self.of(follows).startswith("elif"):
            rest = self.text[self.span(follows)[0] : self.rows(last, last)[1]]
            rest = rest if elif_ else rest.removeprefix("el")
            return Edit(*self.rows(node.lineno, last), indent + rest)
        else_row = next(
            row for row in range(body_end + 1, last + 1) if self.lines[row - 1].strip().startswith("else:")
        )
        if elif_:
            return Edit(*self.rows(node.lineno, else_row - 1), "")
        kept = self._dedented(else_row + 1, last, follows.col_offset, node.col_offset)
        return Edit(*self.rows(node.lineno, last), kept)

    def _block_end(self, node: ast.stmt) -> int:
        """The last line of the block that a statement stands in."""
        for parent in ast.walk(self.tree):
            for block in (getattr(parent, "body", []), getattr(parent, "orelse", [])):
                if isinstance(block, list) and node in block:
                    return int(block[-1].end_lineno)
        return node.end_lineno or node.lineno

    def _dedented(self, first: int, last: int, before: int, after: int) -> str:
        lines = self.lines[first - 1 : last]
        return "".join(line.removeprefix(" " * (before - after)) for line in lines)

    def header(self, node: ast.FunctionDef) -> tuple[int, int]:
        """Where a function's signature begins, decorators included, and where its colon ends."""
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        depth, rows = 0, "".join(self.lines[node.lineno - 1 : node.end_lineno])
        for token in tokenize.generate_tokens(io.StringIO(textwrap.dedent(rows)).readline):
            if token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
                if token.string == ":" and depth == 0:
                    row = node.lineno - 1 + token.end[0]
                    return self.starts[first - 1], self.at(row, 0) + node.col_offset + token.end[1]
        raise ValueError(f"{node.name} has no body")


@lru_cache(maxsize=2048)
def parsed(text: str) -> Text:
    """A text with its tree, made once."""
    return Text(text)


def bound_within(tree: ast.AST) -> Counter[str]:
    """How often each name is bound inside a definition or an expression."""
    found: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found[node.id] += 1
        elif isinstance(node, ast.arg):
            found[node.arg] += 1
        elif isinstance(node, ast.FunctionDef | ast.ClassDef) and node is not tree:
            found[node.name] += 1
    return found


def signature(node: ast.FunctionDef, indent: int) -> str:
    """A function's decorators and signature up to the colon, a parameter a line where one line is too short."""
    parts, returns = _parameters(node.args), f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"def {node.name}({', '.join(parts)}){returns}:"
    if len(line) + indent > LONGEST_LINE:
        line = f"def {node.name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){returns}:"
    decorators = [f"@{ast.unparse(one)}" for one in node.decorator_list]
    return textwrap.indent("\n".join([*decorators, line]), " " * indent)


def _parameters(arguments: ast.arguments) -> list[str]:
    """Each parameter as it is written in a signature, with `*` where it stands. Positional-only ones are not used here."""
    positional = [None] * (len(arguments.args) - len(arguments.defaults)) + arguments.defaults
    parts = [_parameter(one, default) for one, default in zip(arguments.args, positional, strict=True)]
    if arguments.vararg:
        parts.append(f"*{_parameter(arguments.vararg, None)}")
    elif arguments.kwonlyargs:
        parts.append("*")
    parts += map(_parameter, arguments.kwonlyargs, arguments.kw_defaults)
    return parts + ([f"**{_parameter(arguments.kwarg, None)}"] if arguments.kwarg else [])


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    annotation = f": {ast.unparse(argument.annotation)}" if argument.annotation else ""
    equals = " = " if annotation else "="
    return f"{argument.arg}{annotation}" + (f"{equals}{written(default)}" if default else "")


def written(default: ast.expr) -> str:
    """An expression with double quotes around a plain string, as elsewhere in the project."""
    if isinstance(default, ast.Constant):
        return literal(default.value)
    return ast.unparse(default)


def literal(value: object) -> str:
    """A constant as source text."""
    if isinstance(value, str) and '"' not in value and "\\" not in repr(value):
        return f'"{value}"'
    return repr(value)
