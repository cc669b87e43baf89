"""Puts the charts' modules into one: fifty requests of a cold browser become one.

A module becomes a function that is called once, in the order of imports, and returns what it exports. That holds for modules
that are written as these are: imports by name from relative files, and exported declarations that are never
assigned again.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Final

_IMPORT: Final = re.compile(r'^import \{\s*([\w$,\s]+?),?\s*\} from "(\.[^"]+)";$', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:function|class|const) ([\w$]+))", re.MULTILINE)
_OTHER: Final = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)


def bundle(modules: Mapping[str, str], entries: Sequence[str]) -> str:
    """Returns the source of one module whose `panels` hold the exports of each of `entries`.

    `modules` are sources by path ("curves/axes.js"). Raises ValueError for one that is written in another way.
    """
    numbers: dict[str, int] = {}
    written: list[str] = []
    for entry in entries:
        _add(entry, modules, numbers, written, ())
    panels = ", ".join(f'"{entry.removesuffix(".js")}": ${numbers[entry]}' for entry in entries)
    return "\n".join([*written, f"export const panels = {{ {panels} }};\n"])


def _add(
    path: str,
    modules: Mapping[str, str],
    numbers: dict[str, int],
    written: list[str],
    importers: tuple[str, ...],
) -> None:
    """Writes a module behind those that it imports."""
    if path in numbers:
        return
    if path in importers:
        raise ValueError(f"{' imports '.join([*importers, path])}: modules must not import each other")
    source = modules[path]
    for _, imported in _IMPORT.findall(source):
        _add(_resolve(path, imported), modules, numbers, written, (*importers, path))
    numbers[path] = len(numbers)
    written.append(_as_function(path, source, numbers))


def _as_function(path: str, source: str, numbers: Mapping[str, int]) -> str:
    exported = _EXPORT.findall(source)
    body = _IMPORT.sub(
        lambda found: f"const {{ {found[1].replace(' as ', ': ')} }} = ${numbers[_resolve(path, found[2])]};",
        _EXPORT.sub("", source),
    )
    if other := _OTHER.search(body):
        raise ValueError(f'{path}: write "{other[0]}" as the other modules do (see {__name__})')
    return (
        f"// {path}\nconst ${numbers[path]} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();"
    )


def _resolve(path: str, imported: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), imported))
