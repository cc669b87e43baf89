"""The steps at which health is sampled, fixed by the run's length alone: runs of one configuration have the same evidence."""

from __future__ import annotations

from collections.abc import Iterator

SAMPLES = 200
"""Roughly how many samples a run has: as many columns as a heat map can show."""
LEAST_GAP = 40
"""Fewest steps between two samples once the gaps have grown: a sample of a small network costs up to half a step, so that all
samples together stay well below a twentieth of training time (tests/bench/health_cost.py)."""
DENSE = 8
"""Each of the first steps is sampled; from there on the gap doubles each time the step does."""


def sample_steps(total: int, after: int = 0) -> Iterator[int]:
    """The sampled steps of a run of `total` steps, ascending, without those up to `after`; the last step is among them."""
    every = max(LEAST_GAP, -(-total // SAMPLES))
    step = 1
    while step < total:
        if step > after:
            yield step
        step += min(every, 1 if step < DENSE else 1 << ((step // DENSE).bit_length()))
    if total > after:
        yield total
