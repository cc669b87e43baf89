"""Why a queued run does not train yet: its place, and about when a worker will be free for it.

The estimate plays the queue to its end by the supervisor's own rule of turns. A run's length is its steps still to train
over the rate that was measured in a running run like it, else in any running run.
"""

from __future__ import annotations

import heapq
import json
import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from trainer.config import RunConfig
from trainer.data import DataError
from trainer.engine.datasplit import steps_per_epoch
from trainer.formatting import format_duration
from trainer.lifecycle.states import RunState
from trainer.processes.fairness import next_run
from trainer.store import Run

FULL = 1_000_000
"""Bytes left on the disk with which nothing can be written any more."""


@dataclass(frozen=True)
class Turn:
    """When a queued run starts: as the `place`th, in `seconds` (None where nothing is measured yet)."""

    place: int
    seconds: float | None

    def __str__(self) -> str:
        place = "next in line" if self.place == 1 else f"place {self.place}"
        return place if self.seconds is None else f"{place}, about {_roughly(self.seconds)}"


@dataclass(frozen=True)
class Job:
    """A run as the estimate sees it; `seconds` are those that it still takes, `math.inf` where nobody knows."""

    id: int
    owner: str
    place: int
    seconds: float


@dataclass(frozen=True)
class Size:
    """What a configuration says of a run's length: a key of what decides how long a step takes, the steps of the whole run
    (None where its data are not here), and the steps per second of slow motion."""

    kind: str
    steps: int | None
    pace: float | None


Sizes = MutableMapping[int, Size]
"""Sizes by run: a run's configuration never changes, so each is worked out once."""


def waiting_sentence(
    turn: Turn | None, workers: int, training: int, supervisor: str, free_space: int | None = None
) -> str:
    """Returns why a run is still queued. `supervisor` is its state, `training` how many of the `workers` are busy,
    `free_space` the bytes that are left on the disk."""
    if free_space is not None and free_space < FULL:
        return "Waiting: the disk is full; free some space, and the run starts by itself."
    if supervisor == "absent":
        return "Waiting: the trainer is not running yet; the run starts as soon as it does."
    if supervisor == "starting":
        return "Warming up the trainer… the first run starts in a moment."
    if turn is None or turn.place <= workers - training:
        return "Starting…"
    busy = {1: "the worker is busy", 2: "both workers are busy"}
    return f"Waiting: {busy.get(workers, f'all {workers} workers are busy')}; {turn}."


def waiting_for(
    ids: Sequence[int],
    turns: Mapping[int, Turn],
    workers: int,
    training: int,
    supervisor: str,
    free_space: int | None,
) -> str:
    """Returns why a person's queued runs wait: the sentence of the one that starts first, and where the last one stands."""
    waiting = sorted((turns[run_id] for run_id in ids if run_id in turns), key=lambda turn: turn.place)
    first = waiting_sentence(waiting[0] if waiting else None, workers, training, supervisor, free_space)
    if len(waiting) < 2:
        return first
    more, last = len(waiting) - 1, waiting[-1]
    return f"{first} {more} more of yours {'waits' if more == 1 else 'wait, the last'} at {last}."


def turns(live: Iterable[Run], workers: int, sizes: Sizes | None = None) -> dict[int, Turn]:
    """Returns when each queued run among those that are not over starts, by id. `sizes` is filled as needed."""
    sizes = {} if sizes is None else sizes
    runs = [run for run in live if run.status in (RunState.RUNNING, RunState.QUEUED)]
    for run in runs:
        if run.id not in sizes:
            sizes[run.id] = size_of(run.config)
    running = [run for run in runs if run.status is RunState.RUNNING]
    queued = [run for run in runs if run.status is RunState.QUEUED]
    rates = measured_rates(running, sizes)
    starts = sorted(running, key=lambda run: run.started or run.created)
    served = {run.owner: turn for turn, run in enumerate(starts)}
    return play(_jobs(queued, rates, sizes), _jobs(running, rates, sizes), workers, served)


def play(
    queued: Sequence[Job], running: Sequence[Job], workers: int, served: Mapping[str, int]
) -> dict[int, Turn]:
    """Starts each queued job when a worker is free for it, in the order of turns."""
    lines: dict[str, deque[Job]] = defaultdict(deque)
    for job in sorted(queued, key=lambda job: job.place):
        lines[job.owner].append(job)
    busy = [(job.seconds, job.owner) for job in running]
    heapq.heapify(busy)
    found: dict[int, Turn] = {}
    now, last, served = 0.0, max(served.values(), default=0), dict(served)
    while lines:
        while len(busy) >= workers:
            now, _ = heapq.heappop(busy)
        first = next_run((line[0] for line in lines.values()), [owner for _, owner in busy], served)
        assert first is not None
        lines[first.owner].popleft()
        if not lines[first.owner]:
            del lines[first.owner]
        served[first.owner] = last = last + 1
        found[first.id] = Turn(len(found) + 1, now if math.isfinite(now) else None)
        heapq.heappush(busy, (now + first.seconds, first.owner))
    return found


def measured_rates(running: Iterable[Run], sizes: Mapping[int, Size]) -> dict[str, float]:
    """Returns the steps per second by kind of run, and under "" their median. Runs in slow motion do not count."""
    measured = ((sizes[run.id], mean_rate(run)) for run in running)
    rates = {size.kind: rate for size, rate in measured if rate and not size.pace}
    return rates | {"": median(rates.values())} if rates else {}


def mean_rate(run: Run) -> float | None:
    """Returns a run's steps per second since its start, which changes less than those of the last moment; None before its
    first step."""
    step, seconds = run.progress.get("step"), run.progress.get("seconds")
    return float(step / seconds) if step and seconds else run.progress.get("steps_per_s")


def seconds_left(run: Run, size: Size, rates: Mapping[str, float]) -> float:
    """Returns how long a run still trains, `math.inf` where that is unknown."""
    rate = mean_rate(run) if run.status is RunState.RUNNING else None
    rate = rate or rates.get(size.kind) or rates.get("")
    if size.pace:
        rate = min(rate or size.pace, size.pace)
    total = run.progress.get("total_steps") or size.steps
    if not rate or not total:
        return math.inf
    return float(max(0.0, total - run.progress.get("step", 0)) / rate)


def size_of(stored: Mapping[str, Any]) -> Size:
    """Returns the size of a run with this stored configuration."""
    kind = json.dumps([stored.get(name) for name in ("data", "model", "batch_size")], sort_keys=True)
    config = RunConfig.from_stored(stored)
    if config is None:
        return Size(kind, None, None)
    try:
        return Size(kind, steps_per_epoch(config) * config.epochs, config.pace)
    except (DataError, OSError):
        return Size(kind, None, config.pace)


def _roughly(seconds: float) -> str:
    """Returns a duration no finer than an estimate is, so that the text does not change all the time."""
    if seconds < 95:
        return f"{max(10, 10 * round(seconds / 10))} s"
    return f"{round(seconds / 60)} min" if seconds < 3570 else format_duration(seconds)


def _jobs(runs: Sequence[Run], rates: Mapping[str, float], sizes: Mapping[int, Size]) -> list[Job]:
    """Returns the runs with their lengths; where one is unknown, the median of the others stands in for it."""
    seconds = [seconds_left(run, sizes[run.id], rates) for run in runs]
    usual = median([one for one in seconds if math.isfinite(one)] or [math.inf])
    return [
        Job(run.id, run.owner, run.place, one if math.isfinite(one) else usual)
        for run, one in zip(runs, seconds, strict=True)
    ]
