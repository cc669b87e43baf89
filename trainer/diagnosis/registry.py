"""How a rule is declared and found.

A rule is one function from evidence to what it found, or None. Its docstring describes the failure on the Reference page:

    @rule("Plateau", severity=1)
    def plateau(run: Evidence) -> Found | None:
        \"\"\"The loss hovers …\"\"\"

Every module of this package may declare rules, so adding one changes one file.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from trainer.config import ConfigError, RunConfig, label_of
from trainer.diagnosis.evidence import Evidence
from trainer.metrics.registry import metrics


@dataclass(frozen=True)
class EvidenceItem:
    """One item of a finding's evidence: the series or knob that shows it, from which step to which, and its values in words.

    `series` is "kind/column": "step/loss", "epoch/val_loss", "health/act_dead/hidden1.activation", or "config/KEY".
    """

    series: str
    text: str
    first: int = 0
    last: int = 0


@dataclass(frozen=True)
class Found:
    """What a rule returns: a sentence on what is seen, one on what it means, the flat keys to change, and the evidence."""

    seen: str
    meaning: str
    fix: Mapping[str, Any]
    evidence: tuple[EvidenceItem, ...]


@dataclass(frozen=True)
class Finding:
    """A diagnosed failure. Severity 3: the run cannot learn; 2: it ends clearly worse; 1: it could do better."""

    name: str
    title: str
    severity: int
    sentences: tuple[str, str]
    fix: dict[str, Any]
    evidence: tuple[EvidenceItem, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "severity": self.severity,
            "sentences": list(self.sentences),
            "fix": self.fix,
            "evidence": [item.__dict__ for item in self.evidence],
        }


@dataclass(frozen=True)
class Rule:
    """A declared rule. `hides` names the failures that are its consequences when both are found. One that judges `parts` also
    looks at what came after a change of knobs or a branch; the others would take what came before for the work of these knobs."""

    name: str
    title: str
    severity: int
    function: Callable[[Evidence], Found | None]
    hides: frozenset[str] = field(default_factory=frozenset)
    parts: bool = False

    @property
    def help(self) -> str:
        """The description of the failure: the function's docstring as one paragraph."""
        return " ".join((inspect.getdoc(self.function) or "").split())

    def apply(self, run: Evidence) -> Finding | None:
        """Returns the finding, or None. A finding whose fix is already in place, or impossible with the run's other knobs, is
        dropped."""
        found = self.function(run)
        if found is None or not _changes(run.config, found.fix):
            return None
        return Finding(
            self.name, self.title, self.severity, (found.seen, found.meaning), dict(found.fix), found.evidence
        )


def _changes(config: RunConfig, fix: Mapping[str, Any]) -> bool:
    with suppress(ConfigError):
        return config.changed(fix) != config
    return False


IMPOSSIBLE = {
    "Schedule stepped at the wrong time": (
        "In a hand-written loop, scheduler.step() may be called in the wrong place: before optimizer.step(), once per batch "
        "when it counts epochs, or with the test loss. Here a schedule is a pure function of where training is, so there is "
        "nothing to call at the wrong time: each schedule declares whether it changes by step, by epoch or by validation loss, "
        "and the same function draws the curve before training and trains."
    )
}
"""Well-known failures that cannot happen here, with the reason; for the Reference page."""

_OF_LAYERS = {"grad_norm": "Gradient of", "act_dead": "Dead units in"}


def evidence_label(item: EvidenceItem, config: RunConfig) -> str:
    """Returns the label of what an item refers to: a series with its steps, or a knob."""
    kind, _, name = item.series.partition("/")
    if kind == "config":
        return label_of(name, config)
    column, _, layer = name.partition("/")
    label = f"{_OF_LAYERS[column]} {layer}" if kind == "health" else metrics(kind)[name].label
    steps = f"step {item.last}" if item.first == item.last else f"steps {item.first} to {item.last}"
    return f"{label}, {steps}"


def judged_since(step: int) -> str:
    """Returns the sentence for a run in which nothing was found since its knobs changed, or it branched, at a step."""
    return (
        f"No divergence and no overfitting since step {step:,}, where it branched or its knobs changed last. The other findings "
        "judge runs with the same knobs from the first step on."
    )


_rules: dict[str, Rule] = {}


def rule(
    title: str, *, severity: int, hides: tuple[str, ...] = (), parts: bool = False
) -> Callable[[Callable[[Evidence], Found | None]], Callable[[Evidence], Found | None]]:
    """Declares the decorated function as a rule. Raises ValueError when its docstring is missing or its name is taken."""

    def register(function: Callable[[Evidence], Found | None]) -> Callable[[Evidence], Found | None]:
        name = function.__name__
        if not inspect.getdoc(function):
            raise ValueError(f"rule {name!r} needs a docstring: it is what people read about the failure")
        if name in _rules and _rules[name].function.__module__ != function.__module__:
            raise ValueError(f"rule {name!r} is declared twice")
        _rules[name] = Rule(name, title, severity, function, frozenset(hides), parts)
        return function

    return register


@cache
def rules() -> Mapping[str, Rule]:
    """Returns every rule by name, most severe first."""
    package = importlib.import_module("trainer.diagnosis")
    for entry in sorted(pkgutil.iter_modules(package.__path__), key=lambda entry: entry.name):
        importlib.import_module(f"trainer.diagnosis.{entry.name}")
    return dict(sorted(_rules.items(), key=lambda item: -item[1].severity))
