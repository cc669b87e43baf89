"""The progress of a run: facts that the loop has reported, and step, seconds and rate from its newest points."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.store import Batch
from trainer.store.points import Array

RATE_WINDOW = 30
"""Commits over which the steps per second are averaged."""


class Progress:
    """Collects facts from the training thread and merges them on the writer thread."""

    def __init__(self) -> None:
        self._reported: deque[Mapping[str, Any]] = deque()
        self._facts: dict[str, Any] = {}
        self._marks: deque[tuple[float, float]] = deque(maxlen=RATE_WINDOW)

    def report(self, facts: Mapping[str, Any]) -> None:
        """Adds facts; from any thread."""
        self._reported.append(facts)

    def after(self, batches: Sequence[Batch]) -> dict[str, Any] | None:
        """Returns all facts after these batches, or None if nothing is new; on the writer thread."""
        steps = next((batch.rows for batch in batches if batch.kind == "step"), None)
        if steps is None and not self._reported:
            return None
        while self._reported:
            self._facts |= self._reported.popleft()
        if steps is not None:
            self._marks.append((float(steps[-1, 0]), float(steps[-1, 1])))
            seconds = round(float(steps[-1, 1]), 3)
            self._facts |= {"step": int(steps[-1, 0]), "seconds": seconds, "steps_per_s": self._rate(steps)}
        return dict(self._facts)

    def _rate(self, steps: Array) -> float | None:
        """Returns the steps per second over the last commits, or None from a single step."""
        first = self._marks[0] if len(self._marks) > 1 else (float(steps[0, 0]), float(steps[0, 1]))
        last = self._marks[-1]
        return round((last[0] - first[0]) / (last[1] - first[1]), 2) if last[1] > first[1] else None
