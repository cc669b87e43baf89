"""How long runs will take, measured: each configuration trains for a moment, and nothing of it is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from trainer.config import RunConfig
from trainer.engine.datasplit import steps_per_epoch
from trainer.engine.loop import Trainer, Training, training
from trainer.engine.observer import NoObserver
from trainer.engine.report import Results, RunReporter
from trainer.engine.stack.together import train_together, why_alone
from trainer.formatting import format_duration
from trainer.lifecycle.requests import Request, RequestKind
from trainer.metrics.registry import Point
from trainer.settings import Settings

MOMENT: Final = 1.0
"""Seconds of training for each configuration, from its first step on."""
LONGEST_START: Final = 8.0
"""Seconds that a configuration may take to its first step, so that two are measured within an inspection's limit."""
WARM_UP: Final = 5
"""The first steps, which take longer than those that follow; of shorter measurements the first half."""


def duration_question(configs: Sequence[RunConfig], together: int = 1) -> dict[str, Any]:
    """Returns the question how long runs with these configurations take, so many seeds of each `together` in a process where that
    is faster: the first and the last are measured, and the others are taken to be like them. The seed does not matter: with
    another one it is the same question."""
    chosen = dict.fromkeys(config.changed({"seed": 0}).to_json() for config in (configs[0], configs[-1]))
    question: dict[str, Any] = {"configs": [orjson.loads(one) for one in chosen]}
    return question | ({"together": together} if together > 1 else {})


def duration(question: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Answers `duration_question`: the mean seconds that a process needs for one run, or None where a moment was too short for a
    single step, and how many runs at most trained together. Raises ConfigError or DataError where a run could not start."""
    wanted = question.get("together", 1)
    measured = [run_seconds(RunConfig.parse(one), settings, wanted) for one in question["configs"]]
    together = max(pace.together for pace in measured)
    known = [pace.seconds for pace in measured if pace.seconds is not None]
    seconds = sum(known) / len(known) if len(known) == len(measured) else None
    return {"seconds": seconds} | ({"together": together} if together > 1 else {})


def duration_sentence(answer: Mapping[str, Any], runs: int, at_once: int) -> str:
    """Returns an answer in words, for so many runs."""
    together = answer.get("together", 1)
    processes = min(at_once, math.ceil(runs / together))
    said = f"{runs} {'run' if runs == 1 else 'runs'}, {min(runs, processes * together)} at a time"
    if together > 1:
        said += f" in {processes} {'process' if processes == 1 else 'processes'}"
    if answer["seconds"] is None:
        return f"{said}. How long they take cannot be said beforehand: a moment is too short for two steps."
    return f"{said}: about {format_duration(answer['seconds'] * runs / processes)}, unless they stop early."


class Pace(NamedTuple):
    """The seconds that a process needs for one run, None where that is not known, and how many it trained together."""

    seconds: float | None
    together: int


def run_seconds(config: RunConfig, settings: Settings, together: int = 1) -> Pace:
    """Trains for a moment, with so many seeds together where that is faster, and returns how long a whole run takes if it does
    not stop early."""
    stopwatch, count = _Stopwatch(), 1

    def steps(seed: int, recorder: RunReporter) -> Training[Results]:
        return training(
            config.changed({"seed": seed}),
            data_folder=settings.data,
            run_folder=None,
            recorder=recorder,
            control=stopwatch.control,
            observe=NoObserver,
        )

    def others(first: Trainer) -> Iterator[Training[Results]]:
        nonlocal count
        if why_alone(first.run) is None:
            count = together
            yield from (steps(seed, _Stopwatch()) for seed in range(1, together))

    train_together(steps(0, stopwatch), others)
    times = stopwatch.steps
    if len(times) < 2:
        return Pace(None, count)
    first = min(WARM_UP, len(times) // 2)
    pace = (times[-1] - times[first - 1]) / (len(times) - first)
    return Pace((times[0] + pace * config.epochs * steps_per_epoch(config)) / count, count)


class _Stopwatch:
    """Notes the time of each step, in seconds since the beginning, and requests a stop after a moment."""

    def __init__(self) -> None:
        self.begun = time.perf_counter()
        self.steps: list[float] = []

    def control(self) -> Request | None:
        """Returns the request to stop, once it is time."""
        end = self.steps[0] + MOMENT if self.steps else LONGEST_START
        return Request(RequestKind.STOP) if time.perf_counter() - self.begun > end else None

    def step(self, point: Point) -> None:
        """Notes the time."""
        self.steps.append(time.perf_counter() - self.begun)

    def _ignore(self, *_: Any) -> None:
        """Nothing else that a run reports matters here."""

    epoch = progress = notice = handled = flush = _ignore
