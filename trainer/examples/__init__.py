"""Worked examples: what a technique does to a small input, computed by the function that trains.

Each family has one example, a function that applies any technique of the family to a small input, so a new technique has its
example at once. A technique may declare knob values for its example (`example={"rate": 0.5}`). Answers are plain values for
JSON: a sentence, and tables, plots and pictures.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from trainer.choice import unknown
from trainer.config import ConfigError, check
from trainer.registry import Technique, families
from trainer.settings import Settings

Values = dict[str, Any]
F = TypeVar("F", bound="Callable[[Case], Values]")


@dataclass(frozen=True)
class Case:
    """The technique of an example, its knob values, and the settings that say where files are."""

    technique: Technique
    knobs: Mapping[str, Any]
    settings: Settings

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Calls the technique as training does."""
        return self.technique.function(*arguments, **keywords, **self.knobs)


@dataclass(frozen=True)
class Maker:
    """A family's example. Without `torch`, the web process may compute it itself."""

    make: Callable[[Case], Values]
    torch: bool


_makers: dict[str, Maker] = {}


def example(*names: str, torch: bool = True) -> Callable[[F], F]:
    """Declares the decorated function as the example of these families."""

    def register(make: F) -> F:
        _makers.update(dict.fromkeys(names, Maker(make, torch)))
        return make

    return register


@cache
def makers() -> Mapping[str, Maker]:
    """Returns every family's example, from the modules of this package."""
    for entry in sorted(pkgutil.iter_modules(__path__), key=lambda entry: entry.name):
        importlib.import_module(f"{__name__}.{entry.name}")
    return _makers


def question_of(item: Technique, knobs: Mapping[str, Any] | None = None) -> Values:
    """Returns the question about a technique, with `knobs` or else the values declared for its example."""
    given = item.facts.get("example", {}) if knobs is None else knobs
    values = {name: given.get(name, knob.default) for name, knob in item.knobs.items()}
    return {"family": item.family, "technique": item.name, "knobs": values}


def answer(question: Mapping[str, Any], settings: Settings) -> Values:
    """Returns {"says": a sentence, "parts": [table, plot or pictures, …]}. Raises ConfigError for an unknown technique."""
    family, name = question["family"], question["technique"]
    if family not in families() or name not in families()[family].techniques:
        raise ConfigError(unknown("technique", f"{family}.{name}", families()))
    item = families()[family][name]
    given = question.get("knobs", {})
    knobs = {
        key: check(f"{family}.{key}", knob, given.get(key, knob.default)) for key, knob in item.knobs.items()
    }
    return makers()[family].make(Case(item, knobs, settings))


def table(caption: str, columns: list[str], rows: list[list[Any]]) -> Values:
    """Returns a table. Numbers stay numbers, so nothing is rounded before it is drawn."""
    return {"kind": "table", "caption": caption, "columns": columns, "rows": rows}


def plot(caption: str, x: str, y: str, lines: Mapping[str, tuple[list[float], list[float]]]) -> Values:
    """Returns a plot of named lines on one pair of axes."""
    drawn = [{"name": name, "x": xs, "y": ys} for name, (xs, ys) in lines.items()]
    return {"kind": "plot", "caption": caption, "x": x, "y": y, "lines": drawn}


def result(sentence: str, *parts: Values) -> Values:
    """Returns an answer."""
    return {"says": sentence, "parts": list(parts)}
