"""How a rule is declared and found.

A rule is one function from evidence to what it found, or None. Its docstring is the failure's description for people:

    @rule("Plateau", severity=1)
    def plateau(run: Evidence) -> Found | None:
        \"\"\"The loss hovers …\"\"\"

Every module of this package may declare rules; adding one touches one file.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from trainer.config import RunConfig, label_of
from trainer.diagnosis.evidence import Evidence
from trainer.metrics.registry import metrics


@dataclass(frozen=True)
class Mark:
    """A piece of evidence: which series shows it, from which step to which, and what it says in a few words.

    `series` is "kind/column": "step/loss", "epoch/val_loss", "health/act_dead/hidden1.activation", or "config/KEY".
    """

    series: str
    text: str
    first: int = 0
    last: int = 0


@dataclass(frozen=True)
class Found:
    """What a rule returns: what is seen and what it means, a sentence each, and flat keys of the configuration to change."""

    seen: str
    meaning: str
    fix: Mapping[str, Any]
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Finding:
    """A failure of one run. `severity`: 3 it cannot learn like this, 2 it ends clearly worse, 1 it could do better."""

    name: str
    title: str
    severity: int
    sentences: tuple[str, str]
    fix: dict[str, Any]
    evidence: tuple[Mark, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "severity": self.severity,
            "sentences": list(self.sentences),
            "fix": self.fix,
            "evidence": [mark.__dict__ for mark in self.evidence],
        }


@dataclass(frozen=True)
class Rule:
    """A declared rule. `hides` names the failures that are its consequences when both are found."""

    name: str
    title: str
    severity: int
    function: Callable[[Evidence], Found | None]
    hides: frozenset[str] = field(default_factory=frozenset)

    @property
    def help(self) -> str:
        """What the failure is, for the reference: the function's docstring as one paragraph."""
        return " ".join((inspect.getdoc(self.function) or "").split())

    def apply(self, run: Evidence) -> Finding | None:
        """The finding, or None; one whose remedy is in place already would be no help."""
        found = self.function(run)
        if found is None or run.config.changed(found.fix) == run.config:
            return None
        return Finding(
            self.name, self.title, self.severity, (found.seen, found.meaning), dict(found.fix), found.marks
        )


IMPOSSIBLE = {
    "Schedule stepped at the wrong time": (
        "In a hand-written loop, scheduler.step() may stand in the wrong place: before optimizer.step(), once a batch where "
        "it counts epochs, or fed with the test loss. Here a schedule is a plain function of where training is, so there is "
        "nothing to call at the wrong time: each schedule says itself whether it moves by step, by epoch or by validation "
        "loss, and the curve drawn before training is computed by the very function that trains."
    )
}
"""Failures that people know from elsewhere and that cannot happen here, with the reason; for the reference."""

_OF_LAYERS = {"grad_norm": "Gradient of", "act_dead": "Dead units in"}


def mark_label(mark: Mark, config: RunConfig) -> str:
    """What a mark points at, for people: the series with its steps, or the knob."""
    kind, _, name = mark.series.partition("/")
    if kind == "config":
        return label_of(name, config)
    column, _, layer = name.partition("/")
    label = f"{_OF_LAYERS[column]} {layer}" if kind == "health" else metrics(kind)[name].label
    steps = f"step {mark.last}" if mark.first == mark.last else f"steps {mark.first} to {mark.last}"
    return f"{label}, {steps}"


_rules: dict[str, Rule] = {}


def rule(
    title: str, *, severity: int, hides: tuple[str, ...] = ()
) -> Callable[[Callable[[Evidence], Found | None]], Callable[[Evidence], Found | None]]:
    """Declares the decorated function as the rule of its name. Raises ValueError without a docstring, or for a second one."""

    def register(function: Callable[[Evidence], Found | None]) -> Callable[[Evidence], Found | None]:
        name = function.__name__
        if not inspect.getdoc(function):
            raise ValueError(f"rule {name!r} needs a docstring: it is what people read about the failure")
        if name in _rules and _rules[name].function.__module__ != function.__module__:
            raise ValueError(f"rule {name!r} is declared twice")
        _rules[name] = Rule(name, title, severity, function, frozenset(hides))
        return function

    return register


@cache
def rules() -> Mapping[str, Rule]:
    """Every rule by name, the gravest first."""
    package = importlib.import_module("trainer.diagnosis")
    for entry in sorted(pkgutil.iter_modules(package.__path__), key=lambda entry: entry.name):
        importlib.import_module(f"trainer.diagnosis.{entry.name}")
    return dict(sorted(_rules.items(), key=lambda item: -item[1].severity))
