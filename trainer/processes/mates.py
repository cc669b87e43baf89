"""Which waiting runs a worker trains together with its own: replicates of the same arm, which differ in seeds only.

The queue stays as it is: a run starts when it is its owner's turn, and takes along what would have come later. No worker takes
more than its share of what waits, so that all have something to do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.comparison.design import Design
from trainer.preflight.footprint import training_bytes
from trainer.settings import MEGABYTE, Settings
from trainer.store import Store
from trainer.store.file_lock import FileLock
from trainer.store.queue import Replicate

if TYPE_CHECKING:
    from trainer.engine.build import BuiltRun

MOST = 8
"""Runs that one worker trains together; with more, each step of all takes nearly as much longer as there are more of them."""


@dataclass(frozen=True)
class Claim:
    """A run that this process trains: its attempt, and the lock that it holds."""

    run_id: int
    attempt: int
    lock: FileLock


def claim_mates(store: Store, settings: Settings, run_id: int, run: BuiltRun) -> Iterator[Claim]:
    """Claims runs to be trained together with a run that this process has claimed and built; none where that would not be
    faster, or where the time that each run takes by itself counts."""
    from trainer.engine.stack.together import why_alone

    if why_alone(run) is not None:
        return
    replicates = store.replicates(run_id)
    count = min(share(replicates, settings.max_workers), fitting(run, settings)) - 1
    for mate in later_replicates(replicates):
        if count <= 0:
            return
        if (claimed := claim(store, settings, mate.run_id)) is not None:
            count -= 1
            yield claimed


def claim(store: Store, settings: Settings, run_id: int) -> Claim | None:
    """Claims a queued run, unless another process was faster."""
    lock = FileLock(settings.run_folder(run_id) / "lock")
    if not lock.acquire():
        return None
    attempt = store.claim(run_id)
    if attempt is None:
        lock.release()
        return None
    return Claim(run_id, attempt, lock)


def share(replicates: Sequence[Replicate], workers: int) -> int:
    """Returns how many runs a worker trains together, given what is left of a comparison: so many that all workers have as
    much to do, and at most MOST."""
    waiting = sum(one.waits for one in replicates) + 1
    alike = sum(one.same_arm for one in replicates) + 1
    return min(MOST, math.ceil(max(waiting, alike) / workers))


def planned_share(design: Design, workers: int) -> int:
    """Returns how many runs a worker will train together of a comparison that has not begun."""
    if design.unit == "seconds" or design.factors:  # as for `Store.replicates`
        return 1
    return min(MOST, len(design.seeds), math.ceil(design.runs / workers))


def later_replicates(replicates: Sequence[Replicate]) -> list[Replicate]:
    """Returns those of the same arm that wait, the last in line first: another worker may be about to begin with the next."""
    return [one for one in reversed(replicates) if one.waits and one.same_arm]


def fitting(run: BuiltRun, settings: Settings) -> int:
    """Returns how many runs like this one fit into the memory of a worker."""
    parts = (run.data.train, run.data.validation, run.data.test)
    data = sum(part.inputs.nbytes + part.targets.nbytes for part in parts)
    return settings.max_worker_mb * MEGABYTE // (sum(training_bytes(run).values()) + data)
