"""Plotly's script, cut down to what the live charts draw.

The installed package brings one file of 4.8 MB with fifty kinds of traces, maps and 3-D scenes among them; a browser would parse
and register them all before it draws the first chart. The file is what esbuild makes of modules, one after the other: each is
a function behind a name, `var NAME=HELPER((exports,module)=>{…});`, that runs when another one calls it, and the last one
registers the kinds of traces. Here that list is shortened, and modules that nothing refers to any longer are left out: three
quarters of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import plotly

TRACES: Final = ("bar", "heatmap")
"""The kinds of traces that the live charts draw beside "scatter", which is part of Plotly's core."""
VERSION: Final = "-".join((plotly.__version__, *TRACES))
"""Part of the script's address, under which browsers keep it for good."""

_COMPILE_AT_ONCE: Final = "//# allFunctionsCalledOnLoad\n"
"""Asks Chromium to compile all functions while the script arrives, beside the main thread, and not each at its first call there:
https://v8.dev/blog/explicit-compile-hints. Others take it for a comment."""
_START: Final = 8192  # characters that hold the helpers
_HELPER: Final = re.compile(r"([\w$]+)=\([\w$,]+\)=>\(\)=>\{")
_REGISTERED: Final = re.compile(r"\.register\(\[((?:[\w$]+\(\),?)+)\]\)")
_TRACE: Final = re.compile(r'moduleType:"trace",name:"(\w+)"')
_HANDED_ON: Final = re.compile(r"\.exports=([\w$]+)\(\)\}\);$")
_NAME: Final = re.compile(r"[\w$]+")


class Part(NamedTuple):
    """A piece of the script, and the modules that it defines."""

    text: str
    names: tuple[str, ...] = ()

    @property
    def stays(self) -> bool:
        """Whether it is more than its modules: the script's two ends, and functions that several modules share."""
        return not self.names or not self.text.endswith("});")


def plotly_script() -> bytes:
    """Returns the script, which sets `window.Plotly`."""
    path = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    script = path.read_text("utf-8")
    short = cut(script)
    return (short if short is script else _COMPILE_AT_ONCE + short).encode()


def cut(script: str) -> str:
    """Returns Plotly's script without the traces that are not drawn; all of it where it is not built as described above."""
    *parts, last = split(script)
    modules = {name: part for part in parts for name in part.names}
    registered = _REGISTERED.findall(last.text)
    kept = [name for name in _NAME.findall("".join(registered)) if _trace(name, modules) in TRACES]
    if len(registered) != 1 or len(kept) != len(TRACES):
        return script
    parts.append(Part(last.text.replace(registered[0], ",".join(f"{name}()" for name in kept))))
    needed = set(_needed(parts, modules))
    return "".join(part.text for part in parts if part in needed)


def split(script: str) -> list[Part]:
    """Returns the script in pieces: a module each, as far as it can tell where they begin."""
    helpers = "|".join(map(re.escape, _HELPER.findall(script, 0, _START)))
    if not helpers:
        return [Part(script)]
    # Some modules begin with an object for what they export.
    begins = re.compile(rf"var ([\w$]+)=(?:(?:{helpers})\(|\{{\}};[\w$]+\(\1,\{{)")
    further = re.compile(rf",([\w$]+)=(?:{helpers})\(")
    found = list(begins.finditer(script))
    ends = [*(one.start() for one in found), len(script)]
    parts = [Part(script[: ends[0]])]
    for one, end in zip(found, ends[1:], strict=True):
        text = script[one.start() : end]
        parts.append(Part(text, (one[1], *further.findall(text))))
    return parts


def _trace(name: str, modules: Mapping[str, Part]) -> str | None:
    """Returns the kind of trace that a module describes, itself or by another one that it hands on."""
    text = modules[name].text if name in modules else ""
    if found := _TRACE.search(text):
        return found[1]
    handed_on = _HANDED_ON.search(text)
    return _trace(handed_on[1], modules) if handed_on else None


def _needed(parts: list[Part], modules: Mapping[str, Part]) -> Iterator[Part]:
    """Yields the parts that stay, and those of all modules that these refer to."""
    due, seen = [part for part in parts if part.stays], set[Part]()
    while due:
        if (part := due.pop()) in seen:
            continue
        seen.add(part)
        yield part
        due += [modules[name] for name in modules.keys() & set(_NAME.findall(part.text))]
