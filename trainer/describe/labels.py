"""What tells a run from others: the knobs in which it differs from the defaults or from a baseline, in the same words
everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import orjson

from trainer.config import Change, RunConfig, diff
from trainer.registry import families
from trainer.store import COMMAND_LINE, Run

FIRST = (
    "normalization",
    "dropout",
    "initialization",
    "schedule",
    "precision",
    "learning_rate",
    "optimizer",
    "batch_size",
    "model",
    "data",
)
LAST = ("epochs", "seed", "health", "pace", "device")
"""Families and plain knobs by importance; the others stand between, in the order of a configuration."""

MAX_LABEL, MAX_VALUE = 48, 24  # characters
CHANGED = "changed while training"


@dataclass(frozen=True)
class Differences:
    """How a run differs from what it is compared with, most important first. `unchanged` stands where it does not."""

    changes: Sequence[Change]
    unchanged: str = "Defaults"
    remarks: Sequence[str] = ()
    """What no knob says: that the run is a branch, or was changed while it trained."""

    @property
    def words(self) -> list[str]:
        """Returns each difference in words, such as "Batch norm" and "Dropout rate 0.5"; never empty."""
        words = [in_words(change) for change in self.changes] or [self.unchanged]
        return [*words, *self.remarks]

    def __str__(self) -> str:
        return ", ".join(self.words)


def differences(config: RunConfig | None, baseline: RunConfig | None = None) -> Differences:
    """Returns how a configuration differs from `baseline`, or from the defaults; `config` None is one that cannot be read."""
    if config is None:
        return Differences([], "Knobs of another version")
    found = sorted(diff(baseline or _defaults(), config), key=lambda one: importance(one.key))
    return Differences(found, "Same knobs" if baseline else "Defaults")


@cache
def _defaults() -> RunConfig:
    return RunConfig()


def differences_of(run: Run, baseline: Run | None = None) -> Differences:
    """Returns how a run differs from another, or from the defaults, by the knobs that it began with; where it branched, and
    whether knobs changed in training."""
    found = _differences(orjson.dumps(run.config), orjson.dumps(baseline.config) if baseline else None)
    branched = [] if run.parent_step is None else [f"branched at step {run.parent_step:,}"]
    return replace(found, remarks=[*branched, *[CHANGED] * (run.changes > 0)])


@lru_cache(maxsize=4096)
def _differences(config: bytes, baseline: bytes | None) -> Differences:
    """Cached: a list of many runs asks for each at every rerun."""
    reference = RunConfig.from_stored(orjson.loads(baseline)) if baseline else None
    return differences(RunConfig.from_stored(orjson.loads(config)), reference)


def run_title(run: Run) -> str:
    """Returns a run's name; where it has none, its number among its owner's, or the id by which the command line knows it."""
    number = f"CLI run {run.id}" if run.owner == COMMAND_LINE else f"Run {run.number}"
    return run.name.strip() or number


def run_label(title: str, differs: Differences) -> str:
    """Returns a title with as many differences as fit: "Run 3 · Learning rate 1, Seed 2 +1"."""
    first, *others = differs.words
    label = f"{title} · {_cut(first, MAX_LABEL - len(title))}"
    for place, words in enumerate(others):
        if len(label) + len(words) > MAX_LABEL:
            return f"{label} +{len(others) - place}"
        label += f", {words}"
    return label


def in_words(change: Change) -> str:
    """Returns a change as what is new: "Batch norm" is clear by itself, "None" needs its family."""
    after = _cut(change.after, MAX_VALUE)
    if change.key not in families():
        return f"{change.label} {after or '–'}"
    return f"{change.label} {after.lower()}" if after in ("None", "Off", "On") else after


def importance(key: str) -> int:
    """Returns a flat key's place among the others: small for what matters most."""
    name = key.partition(".")[0]
    if name in FIRST:
        return FIRST.index(name)
    return len(FIRST) + (LAST.index(name) + 1 if name in LAST else 0)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(length, 8) - 1] + "…"
