"""The names in a piece of source: which of them come from outside, and which it binds itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator

COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def global_names(tree: ast.AST) -> list[ast.Name | ast.Attribute]:
    """Names, read and not bound inside, in the order of the text; `module.name` comes whole, and its name after it."""
    found = list(_global_names(tree, frozenset()))
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))


def _global_names(node: ast.AST, bound: frozenset[str]) -> Iterator[ast.Name | ast.Attribute]:
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load) and node.id not in bound:
            yield node
        return
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id not in bound:
        yield node
    inner = bound
    if isinstance(node, ast.FunctionDef | ast.Lambda | COMPREHENSIONS):
        inner = bound | bound_in(node)
    for name, value in ast.iter_fields(node):
        outside = name in ("decorator_list", "returns") or isinstance(value, ast.arguments)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _global_names(child, bound if outside else inner)


def bound_in(node: ast.AST) -> frozenset[str]:
    """The names that a function, lambda or comprehension binds itself."""
    found: set[str] = set()
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        found |= {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)}
    waiting = list(ast.iter_child_nodes(node))
    while waiting:
        child = waiting.pop()
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            found.add(child.name)
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            found.add(child.id)
        elif isinstance(child, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.split(".")[0] for alias in child.names}
        if not isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef | COMPREHENSIONS):
            waiting.extend(ast.iter_child_nodes(child))
    return frozenset(found)


def locals_of(text: str) -> set[str]:
    """All names that are bound inside a definition's functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.Lambda | COMPREHENSIONS):
            found |= bound_in(node)
    return found
