"""Ratios that a busy machine cannot bend: contestants take turns, and each round is compared within itself."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping


def rounds(contestants: Mapping[str, Callable[[], float]], count: int = 7) -> dict[str, list[float]]:
    """Measures each contestant once a round; the order turns around every other round. One round before is not counted."""
    measured: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(count + 1):
        names = list(contestants) if number % 2 else list(reversed(contestants))
        for name in names:
            value = contestants[name]()
            if number:
                measured[name].append(value)
    return measured


def ratio(measured: Mapping[str, list[float]], name: str, baseline: str) -> float:
    """Median over the rounds of `name` relative to `baseline`."""
    pairs = zip(measured[name], measured[baseline], strict=True)
    return round(statistics.median(value / base for value, base in pairs), 3)
