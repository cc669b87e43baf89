"""What a run says of its progress, put together from facts it was told and from its newest points."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.store import Batch
from trainer.store.points import Array

RATE_WINDOW = 30
"""Commits over which the steps per second are averaged."""


class Progress:
    """What a run says of its progress: the facts it was told, and step, seconds and rate from the newest points."""

    def __init__(self) -> None:
        self._told: deque[Mapping[str, Any]] = deque()
        self._facts: dict[str, Any] = {}
        self._marks: deque[tuple[float, float]] = deque(maxlen=RATE_WINDOW)

    def tell(self, facts: Mapping[str, Any]) -> None:
        """Add facts; from any thread."""
        self._told.append(facts)

    def after(self, batches: Sequence[Batch]) -> dict[str, Any] | None:
        """All facts after these batches, or None if nothing is new; on the writer thread."""
        steps = next((batch.rows for batch in batches if batch.kind == "step"), None)
        if steps is None and not self._told:
            return None
        while self._told:
            self._facts |= self._told.popleft()
        if steps is not None:
            self._marks.append((float(steps[-1, 0]), float(steps[-1, 1])))
            seconds = round(float(steps[-1, 1]), 3)
            self._facts |= {"step": int(steps[-1, 0]), "seconds": seconds, "steps_per_s": self._rate(steps)}
        return dict(self._facts)

    def _rate(self, steps: Array) -> float | None:
        """Steps per second over the last seconds; None from a single step."""
        first = self._marks[0] if len(self._marks) > 1 else (float(steps[0, 0]), float(steps[0, 1]))
        last = self._marks[-1]
        return round((last[0] - first[0]) / (last[1] - first[1]), 2) if last[1] > first[1] else None
