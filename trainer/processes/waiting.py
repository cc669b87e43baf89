"""Why a queued run does not train yet: its place, and about when its turn comes.

The estimate plays the queue to its end by the supervisor's own rules. A run's length is its steps still to train
over the rate that was measured in a running run like it, else in any running run.
"""

from __future__ import annotations

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
from trainer.processes.sharing.memory import kind_of
from trainer.processes.sharing.policy import next_run
from trainer.settings import Settings
from trainer.store import Run

FULL = 1_000_000
"""Bytes left on the disk with which nothing can be written any more."""


@dataclass(frozen=True)
class Sharing:
    """What runs share: the `cores` on which any may train, the `most` that may train at once, and the seconds of a turn where
    that is too few. `asked` says that somebody has set how many train at once; else it is memory that limits them."""

    cores: int
    most: int
    turn: float = math.inf
    asked: bool = False

    @property
    def busy(self) -> str:
        """Why a run waits for which no core is left."""
        kind = "worker" if self.asked else "core"
        return {1: f"the {kind} is busy", 2: f"both {kind}s are busy"}.get(
            self.cores, f"all {self.cores} {kind}s are busy"
        )

    @property
    def full(self) -> str:
        """Why a person's newest run waits."""
        return f"{self.busy if self.asked else 'the memory is full'}, so runs take turns"


@dataclass(frozen=True)
class Turn:
    """When a queued run trains: as the `place`th, in `seconds` (None where nothing is measured yet). `leads` says that none of
    its owner's trains before, and `begun` that it has trained already, and made room for others."""

    place: int
    seconds: float | None
    leads: bool = False
    begun: bool = False

    def __str__(self) -> str:
        place = "next in line" if self.place == 1 else f"place {self.place}"
        return place if self.seconds is None else f"{place}, about {_roughly(self.seconds)}"


@dataclass(frozen=True)
class Job:
    """A run as the estimate sees it; `seconds` are those that it still takes on a core of its own, `math.inf` where nobody
    knows."""

    id: int
    owner: str
    place: int
    seconds: float
    begun: bool = False


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
    turn: Turn | None, sharing: Sharing, supervisor: str, free_space: int | None = None
) -> str:
    """Returns why a run is still queued. `supervisor` is its state, `free_space` the bytes that are left on the disk."""
    if free_space is not None and free_space < FULL:
        return "Waiting: the disk is full; free some space, and the run starts by itself."
    if supervisor == "absent":
        return "Waiting: the trainer is not running yet; the run starts as soon as it does."
    if supervisor == "starting":
        return "Warming up the trainer… the first run starts in a moment."
    if turn is None or turn.seconds == 0:
        return "Starting…"
    waits = "Taking turns" if turn.begun else "Waiting"
    return f"{waits}: {sharing.full if turn.leads else sharing.busy}; {turn}."


def waiting_for(
    ids: Sequence[int],
    turns: Mapping[int, Turn],
    sharing: Sharing,
    supervisor: str,
    free_space: int | None,
) -> str:
    """Returns why a person's queued runs wait: the sentence of the one that starts first, and where the last one stands."""
    waiting = sorted((turns[run_id] for run_id in ids if run_id in turns), key=lambda turn: turn.place)
    first = waiting_sentence(waiting[0] if waiting else None, sharing, supervisor, free_space)
    if len(waiting) < 2:
        return first
    more, last = len(waiting) - 1, waiting[-1]
    return f"{first} {more} more of yours {'waits' if more == 1 else 'wait, the last'} at {last}."


def sharing_of(settings: Settings, *, full: bool, training: int) -> Sharing:
    """Returns what runs share, where so many are `training` and the supervisor says whether it is `full`."""
    most = max(1, training) if full else settings.most_workers
    return Sharing(settings.max_workers, most, settings.turn_seconds, settings.asked_for_workers)


def turns(live: Iterable[Run], sharing: Sharing, sizes: Sizes | None = None) -> dict[int, Turn]:
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
    crowd = _pace(sharing, len(running))
    return play(_jobs(queued, rates, sizes, crowd), _jobs(running, rates, sizes, crowd), sharing, served)


MOST_EVENTS = 2_000
"""Ends and turns that are played; what would come after them is too far away to tell."""


def play(
    queued: Sequence[Job], running: Sequence[Job], sharing: Sharing, served: Mapping[str, int]
) -> dict[int, Turn]:
    """Starts each queued job when it is its turn, by the supervisor's rules, and lets all that train share the cores."""
    game = _Game(queued, running, sharing, served)
    for _ in range(MOST_EVENTS):
        game.start_all()
        if not game.lines or not game.pass_time():
            break
    for job in sorted(queued, key=lambda job: job.place):
        game.found.setdefault(job.id, Turn(len(game.found) + 1, None, begun=job.begun))
    return game.found


@dataclass
class _Training:
    job: Job
    left: float
    since: float = 0.0


class _Game:
    """The queue as it will go on: who trains at a time, and who waits."""

    def __init__(
        self, queued: Sequence[Job], running: Sequence[Job], sharing: Sharing, served: Mapping[str, int]
    ) -> None:
        self.sharing, self.served, self.now = sharing, dict(served), 0.0
        self.lines: dict[str, deque[Job]] = defaultdict(deque)
        for job in sorted(queued, key=lambda job: job.place):
            self.lines[job.owner].append(job)
        self.training = [_Training(job, job.seconds) for job in running]
        for job in running:
            self.served.setdefault(job.owner, 0)
        self.found: dict[int, Turn] = {}
        self._asked = {job.id for job in queued}
        newest = {job.owner: job.place for job in sorted(running, key=lambda job: job.place)}
        for owner, line in self.lines.items():
            if line[-1].place > newest.get(owner, -1):  # what a person has started last comes first, and once
                line.appendleft(line.pop())
                newest.pop(owner, None)
        self._has_led = set(newest)

    def start_all(self) -> None:
        """Starts all jobs that may train now."""
        while (first := self._next()) is not None:
            line = self.lines[first.owner]
            line.popleft()
            if not line:
                del self.lines[first.owner]
            leads = first.owner not in self._has_led
            self._has_led.add(first.owner)
            self.served[first.owner] = max(self.served.values(), default=0) + 1
            if first.id in self._asked:  # else it trained before, and continues
                self.found.setdefault(first.id, Turn(len(self.found) + 1, self.now, leads, first.begun))
            self.training.append(_Training(first, first.seconds, self.now))

    def pass_time(self) -> bool:
        """Goes on until a job has ended, or has to make room for one that waits. Returns whether that ever happens."""
        pace = _pace(self.sharing, len(self.training))
        span = min(one.left for one in self.training) / pace
        oldest = min(self.training, key=lambda one: one.since)
        if any(owner not in self._has_led for owner in self.lines):
            span = min(span, max(0.0, oldest.since + self.sharing.turn - self.now))
        if not math.isfinite(span):
            return False
        self.now += span
        for one in self.training:
            one.left -= span * pace
        ended = [one for one in self.training if one.left <= 1e-6] or [oldest]
        for one in ended:
            self.training.remove(one)
            if one.left > 1e-6:
                rest = Job(one.job.id, one.job.owner, one.job.place, one.left, begun=True)
                self.lines[one.job.owner].appendleft(rest)
        self._has_led &= {one.job.owner for one in self.training}
        return True

    def _next(self) -> Job | None:
        if len(self.training) >= self.sharing.most:
            return None
        owners = [one.job.owner for one in self.training]
        first = [line[0] for line in self.lines.values()]
        due = next_run([job for job in first if job.owner not in self._has_led], owners, self.served)
        if due is None and len(owners) < self.sharing.cores:
            due = next_run(first, owners, self.served)
        return due


def _pace(sharing: Sharing, training: int) -> float:
    """Returns the share of a core that each of so many runs has."""
    return min(1.0, sharing.cores / max(1, training))


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
    kind = kind_of(stored)
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


def _jobs(
    runs: Sequence[Run], rates: Mapping[str, float], sizes: Mapping[int, Size], crowd: float
) -> list[Job]:
    """Returns the runs with their lengths, given the share of a core with which rates were measured; where one is unknown, the
    median of the others stands in for it."""
    seconds = [crowd * seconds_left(run, sizes[run.id], rates) for run in runs]
    usual = median([one for one in seconds if math.isfinite(one)] or [math.inf])
    return [
        Job(
            run.id,
            run.owner,
            run.place,
            one if math.isfinite(one) else usual,
            bool(run.attempt and run.progress.get("step")),
        )
        for run, one in zip(runs, seconds, strict=True)
    ]
