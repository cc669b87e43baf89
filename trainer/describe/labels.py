"""What tells a run from others: the knobs in which it differs from the defaults or from a baseline, in the same words
everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Differences:
    """How a run differs from what it is compared with, most important first. `unchanged` stands where it does not."""

    changes: Sequence[Change]
    unchanged: str = "Defaults"

    @property
    def words(self) -> list[str]:
        """Returns each difference in words, such as "Batch norm" and "Dropout rate 0.5"; never empty."""
        return [in_words(change) for change in self.changes] or [self.unchanged]

    def __str__(self) -> str:
        return ", ".join(self.words)


def differences(config: RunConfig | None, baseline: RunConfig | None = None) -> Differences:
    """Returns how a configuration differs from `baseline`, or from the defaults; `config` None is one that cannot be read."""
    if config is None:
        return Differences([], "Knobs of another version")
    found = sorted(diff(baseline or RunConfig(), config), key=_rank)
    return Differences(found, "Same knobs" if baseline else "Defaults")


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


def _rank(change: Change) -> int:
    name = change.key.partition(".")[0]
    if name in FIRST:
        return FIRST.index(name)
    return len(FIRST) + (LAST.index(name) + 1 if name in LAST else 0)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(length, 8) - 1] + "…"
