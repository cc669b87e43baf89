"""Signatures as a script has them: without registration, with the chosen knobs as defaults, in plain types or in none."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from trainer.export.script.source.edits import Edit, Text, signature
from trainer.export.script.source.modules import Item, read

REGISTERING = ("technique", "stands_in")


def with_plain_signatures(item: Item, text: Text, knobs: Mapping[str, Any], annotated: bool) -> str:
    """A definition's text with its functions' signatures made plain; `knobs` are the defaults of its keyword arguments."""
    edits = []
    for node in ast.walk(text.tree):
        if isinstance(node, ast.FunctionDef):
            place, indent = text.header(node), node.col_offset
            before = signature(node, indent)
            _simplify(item.module, node, knobs if node.name == item.name else {}, annotated)
            if (after := signature(node, indent)) != before:
                edits.append(Edit(*place, after))
        elif isinstance(node, ast.AnnAssign):
            if annotated or isinstance(text.parents[node], ast.ClassDef) or node.value is None:
                edits.append(Edit(*text.span(node.annotation), plain(item.module, node.annotation)))
            else:
                edits.append(Edit(text.span(node.target)[1], text.span(node.annotation)[1], ""))
    return text.with_edits(*edits)


def _simplify(module: str, node: ast.FunctionDef, knobs: Mapping[str, Any], annotated: bool) -> None:
    arguments = node.args
    node.decorator_list = [one for one in node.decorator_list if not _registers(one)]
    _drop(node, "config")
    if not uses(node, "folder"):
        _drop(node, "folder")
    for place, argument in enumerate(arguments.kwonlyargs):
        if argument.arg in knobs:
            arguments.kw_defaults[place] = ast.Constant(knobs[argument.arg])
    extra = [one for one in (arguments.vararg, arguments.kwarg) if one]
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra):
        if argument.annotation is not None:
            argument.annotation = ast.Name(plain(module, argument.annotation)) if annotated else None
    if node.returns is not None:
        node.returns = ast.Name(plain(module, node.returns)) if annotated else None


def uses(node: ast.FunctionDef, name: str) -> bool:
    """Whether a function's body mentions a name."""
    return any(isinstance(one, ast.Name) and one.id == name for part in node.body for one in ast.walk(part))


def _registers(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func) in REGISTERING


def _drop(node: ast.FunctionDef, name: str) -> None:
    """Removes a positional parameter without a default."""
    node.args.args = [argument for argument in node.args.args if argument.arg != name]


def plain(module: str, node: ast.expr) -> str:
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
                return ast.Name(plain(meaning.module, alias.value))
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
