"""The project's own modules as source text: what each defines at its top level, and what each name in it means.

Modules are read, never imported: some of them import torch, and the web process writes scripts too.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

PROJECT = "trainer"
LAZY = "lazy"
SHORT = "_short"  # ends the name of what a technique's decorator gives as a lambda
STANDS_IN = "stands_in"  # the registry's decorator of what takes a function's place in a script


class Item(NamedTuple):
    """A function, class or constant at the top level of a module of the project."""

    module: str
    name: str


class Import(NamedTuple):
    """A name that comes from outside the project: `from module import name as bound`, or `import module as bound`."""

    module: str
    name: str
    bound: str


class ModuleName(NamedTuple):
    """A name that stands for a whole module of the project."""

    module: str


Meaning = Item | Import | ModuleName
Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class Source:
    """One module: its text, its top-level definitions by name, and what its imports bind.

    `stand_ins` maps a function to the one that takes its place in a script (see `registry.stands_in`), `shorts` a technique's
    function to what its decorator gives as `short`.
    """

    name: str
    text: str
    summary: str
    definitions: dict[str, Definition]
    imports: dict[str, Import | Item | ModuleName]
    stand_ins: dict[str, str]
    shorts: dict[str, ast.expr]

    def meaning(self, name: str) -> Meaning | None:
        """What a global name of this module refers to; None for builtins and unknown names."""
        name = self.stand_ins.get(name, name)
        if name in self.definitions:
            return Item(self.name, name)
        found = self.imports.get(name)
        if isinstance(found, Item):  # it may be imported there, too, or have a stand-in
            return read(found.module).meaning(found.name)
        return found

    def text_of(self, name: str) -> str:
        """The lines of a definition, with the comments directly above it; of a lambda a function that does the same."""
        if isinstance(found := self.shorts.get(name.removesuffix(SHORT)), ast.Lambda) and name.endswith(
            SHORT
        ):
            body = ast.get_source_segment(self.text, found.body)
            return f"def {name}({ast.unparse(found.args)}):\n    return ({body})"
        node, lines = self.definitions[name], self.text.splitlines()
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))]) - 1
        while first and lines[first - 1].startswith("#"):
            first -= 1
        return "\n".join(lines[first : node.end_lineno])


@cache
def read(name: str) -> Source:
    """The module called `name`, found as an import would find it, without running it."""
    path = _path(name)
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    definitions: dict[str, Definition] = {}
    imports: dict[str, Import | Item | ModuleName] = {}
    for node in _statements(tree.body):
        if (module := _lazy_module(node)) is not None:
            imports.update(
                (name, Import(module, "", name if name != module else ""))
                for name in _targets(node)
                if name not in imports
            )
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imports.update(_bound(node))
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            definitions[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            definitions.update(dict.fromkeys(_targets(node), node))
    summary = (ast.get_docstring(tree) or "").split("\n")[0]
    shorts = dict(_shorts(definitions))
    for function, short in shorts.items():
        if isinstance(short, ast.Lambda):
            definitions[f"{function}{SHORT}"] = ast.FunctionDef(
                function, short.args, [ast.Return(short.body)], []
            )
    return Source(name, text, summary, definitions, imports, _stand_ins(definitions), shorts)


def _path(name: str) -> Path:
    known = sys.modules.get(name)
    spec = known.__spec__ if known is not None else importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            f"The source of {name} is not installed; a script cannot be written without it."
        )
    return Path(spec.origin)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Top-level statements. Of `if TYPE_CHECKING: import torch / else: torch = lazy("torch")` the first half counts."""
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from node.body
        else:
            yield node


def _lazy_module(node: ast.stmt) -> str | None:
    """What `name = lazy("module")` outside such a pair imports."""
    call = node.value if isinstance(node, ast.Assign) else None
    if (
        isinstance(call, ast.Call)
        and ast.unparse(call.func) == LAZY
        and isinstance(call.args[0], ast.Constant)
    ):
        return str(call.args[0].value)
    return None


def _targets(node: ast.stmt) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return (target.id for target in targets if isinstance(target, ast.Name))


def _bound(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Import | Item | ModuleName]]:
    for alias in node.names:
        bound = alias.asname or alias.name.split(".")[0]
        if isinstance(node, ast.Import):
            yield bound, Import(alias.name, "", alias.asname or "")
        elif (node.module or "").split(".")[0] != PROJECT:
            yield bound, Import(node.module or "", alias.name, bound)
        elif _is_module(f"{node.module}.{alias.name}"):
            yield bound, ModuleName(f"{node.module}.{alias.name}")
        else:
            yield bound, Item(node.module or "", alias.name)


@cache
def _is_module(name: str) -> bool:
    """Whether a file of the project has this name; asked of the folders, because asking Python would import them."""
    root = Path(_path(PROJECT)).parent
    path = root.joinpath(*name.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()


def _stand_ins(definitions: dict[str, Definition]) -> dict[str, str]:
    found = {}
    for name, node in definitions.items():
        for decorator in getattr(node, "decorator_list", ()):
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == STANDS_IN:
                found[ast.unparse(decorator.args[0])] = name
    return found


def _shorts(definitions: dict[str, Definition]) -> Iterator[tuple[str, ast.expr]]:
    for name, node in definitions.items():
        for decorator in getattr(node, "decorator_list", ()):
            if isinstance(decorator, ast.Call):
                yield from ((name, one.value) for one in decorator.keywords if one.arg == "short")
