"""The progress of a run: facts that the loop has reported, and step, seconds and rate from its newest points."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trainer.metrics.registry import metrics
from trainer.store import Batch, Points
from trainer.store.points import Array

RATE_WINDOW = 30
"""Commits over which the steps per second are averaged."""
AGGREGATIONS: dict[str, Callable[[Array], Any]] = {
    "last": lambda values: values[-1],
    "mean": lambda values: values.mean(),
    "max": lambda values: values.max(),
}


class Progress:
    """Collects facts from the training thread and merges them on the writer thread."""

    def __init__(self) -> None:
        self._reported: deque[Mapping[str, Any]] = deque()
        self._facts: dict[str, Any] = {}
        self._marks: deque[list[float]] = deque(maxlen=RATE_WINDOW)

    def report(self, facts: Mapping[str, Any]) -> None:
        """Adds facts; from any thread."""
        self._reported.append(facts)

    def after(self, batches: Sequence[Batch]) -> dict[str, Any] | None:
        """Returns all facts after these batches, or None if nothing is new; on the writer thread."""
        steps = next((Points(tuple(one.columns), one.rows) for one in batches if one.kind == "step"), None)
        if steps is None and not self._reported:
            return None
        while self._reported:
            self._facts |= self._reported.popleft()
        if steps is not None:
            self._facts |= aggregated(steps) | {"steps_per_s": self._rate(steps)}
        return dict(self._facts)

    def _rate(self, steps: Points) -> float | None:
        """Returns the steps per second over the last commits, or None from a single step."""
        times = np.stack([steps.column("step"), steps.column("seconds")], axis=1).tolist()
        self._marks.append(times[-1])
        first, last = self._marks[0] if len(self._marks) > 1 else times[0], self._marks[-1]
        return round((last[0] - first[0]) / (last[1] - first[1]), 2) if last[1] > first[1] else None


def aggregated(points: Points) -> dict[str, float]:
    """One number of each metric that is declared with an aggregation, where it is finite."""
    found = {}
    for one in metrics("step").values():
        if one.aggregation and np.isfinite(values := points.column(one.name)).all():
            value = AGGREGATIONS[one.aggregation](values)
            found[one.name] = int(value) if one.whole else float(f"{value:.6g}")
    return found
