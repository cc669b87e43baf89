"""When to look: fixed by the length of the run alone, so that two runs of one configuration have the same evidence."""

from __future__ import annotations

from collections.abc import Iterator

LOOKS = 200
"""About as many looks a run: as many columns as a heat map can show."""
LEAST_GAP = 40
"""Least steps between two looks once a run has found its pace: a look at a small network costs up to half a step, so that
all looks together stay well below a twentieth of training time (tests/bench/health_cost.py)."""
DENSE = 8
"""Every one of the first steps is looked at; from there on the gaps grow by an octave each time the step doubles."""


def looks(total: int, after: int = 0) -> Iterator[int]:
    """The steps to look at in a run of `total` steps, those behind `after`, ascending; the last step is among them."""
    every = max(LEAST_GAP, -(-total // LOOKS))
    step = 1
    while step < total:
        if step > after:
            yield step
        step += min(every, 1 if step < DENSE else 1 << ((step // DENSE).bit_length()))
    if total > after:
        yield total
