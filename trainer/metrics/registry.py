"""How a metric is declared and found.

A metric is one function from what the loop knows to a number; its docstring's first line is its help. This is all of one:

    @metric("step", label="Learning rate", chart=LEARNING_RATE, always=True, share=2)
    def lr(step: Step) -> Number:
        \"\"\"The schedule, as it was followed.\"\"\"
        return step.lr

From that come its column in the database and in exports, its curve in live messages, and its line on a chart.
Every module of this package may declare metrics; adding one touches one file.
"""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, TypeVar

from trainer.metrics.charts import Chart

Kind = Literal["step", "epoch"]
KINDS: Final[tuple[Kind, ...]] = ("step", "epoch")
Point = Any
"""A named tuple with a value for each metric of a kind: see `point_type`."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Metric:
    """A declared metric. `name` is its column, `help` its docstring's first line; the rest is explained at `metric`."""

    kind: Kind
    name: str
    label: str
    help: str
    function: Callable[[Any], Any]
    unit: str = ""
    chart: Chart | None = None
    part: Literal["", "train", "validation"] = ""
    smoothed: bool = False
    share: float = 0.0
    aggregation: Literal["", "last", "mean", "max"] = ""
    axis: bool = False
    clock: bool = False
    always: bool = False
    every: int = 1
    watches_update: bool = False

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return self.axis and not self.clock


_metrics: dict[tuple[str, str], Metric] = {}


def metric(kind: Kind, *, label: str, chart: Chart | None = None, **facts: Any) -> Callable[[F], F]:
    """Registers the decorated function as the metric of its name.

    - `unit`: what the values are counted in
    - `chart`, `part`: the live chart that draws it, and which of its lines it is
    - `smoothed`: charts draw a smoothed line, too
    - `share`: of the points that all charts of a page may hold, relative to other curves; noisy ones need more
    - `aggregation`: how the newest values become one in the run's progress; without it they are not shown there
    - `axis`: a place on the x axis rather than a quantity
    - `clock`: depends on the clock, so that two runs of one configuration differ in it
    - `always`: every run has it, and NaN is a failure, which charts mark; otherwise NaN, or no column at all, means that it
      was not measured: where it does not apply, or by a version before there was such a metric
    - `every`: measured at the first step and each so many after it
    - `watches_update`: reads `Step.weight_norm` and `Step.update_norm`, which cost a copy of the weights

    Raises ValueError for a function without a docstring, or a second one of the same kind and name.
    """

    def register(function: F) -> F:
        name = function.__name__
        help = (inspect.getdoc(function) or "").split("\n", 1)[0].strip()
        if not help:
            raise ValueError(f"{kind} metric {name!r} needs a docstring: its first line is its help")
        known = _metrics.get((kind, name))
        if known and known.function.__module__ != function.__module__:
            raise ValueError(f"{kind} metric {name!r} is declared twice")
        facts.setdefault("share", float(chart is not None))
        _metrics[kind, name] = Metric(kind, name, label, help, function, chart=chart, **facts)
        return function

    return register


@cache
def _load() -> None:
    package = importlib.import_module("trainer.metrics")
    for entry in sorted(pkgutil.iter_modules(package.__path__), key=lambda entry: entry.name):
        importlib.import_module(f"trainer.metrics.{entry.name}")


def metrics(kind: str) -> dict[str, Metric]:
    """Every metric of a kind by name, in the order of declaration; none for a kind that is not declared here."""
    _load()
    return {one.name: one for one in _metrics.values() if one.kind == kind}


def columns(kind: str) -> tuple[str, ...]:
    """The columns of a kind's points."""
    return tuple(metrics(kind))


def point_type(kind: Kind) -> Any:
    """The named tuple of a kind's columns; a value that is not given is NaN."""
    return _named_tuple(kind, columns(kind))


@cache
def _named_tuple(kind: str, names: tuple[str, ...]) -> Any:
    make: Any = namedtuple  # type checkers want to read the names in the source
    return make(f"{kind.capitalize()}Point", names, defaults=[math.nan] * len(names))
