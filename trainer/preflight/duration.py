"""How long runs will take, measured: each configuration trains for a moment, and nothing of it is kept."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from trainer.config import RunConfig
from trainer.engine.datasplit import steps_per_epoch
from trainer.engine.loop import train
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


def duration_question(configs: Sequence[RunConfig]) -> dict[str, Any]:
    """Returns the question how long runs with these configurations take: the first and the last are measured, and the others are
    taken to be like them. The seed does not matter: with another one it is the
    same question."""
    chosen = dict.fromkeys(config.changed({"seed": 0}).to_json() for config in (configs[0], configs[-1]))
    return {"configs": [orjson.loads(one) for one in chosen]}


def duration(question: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Answers `duration_question`: the mean seconds of one run, or None where a moment was too short for a single step. Raises
    ConfigError or DataError where a run could not start."""
    measured = [run_seconds(RunConfig.parse(one), settings) for one in question["configs"]]
    known = [seconds for seconds in measured if seconds is not None]
    return {"seconds": sum(known) / len(known) if len(known) == len(measured) else None}


def duration_sentence(answer: Mapping[str, Any], runs: int, at_once: int) -> str:
    """Returns an answer in words, for so many runs."""
    said = f"{runs} {'run' if runs == 1 else 'runs'}, {min(runs, at_once)} at a time"
    if answer["seconds"] is None:
        return f"{said}. How long they take cannot be said beforehand: a moment is too short for two steps."
    return f"{said}: about {format_duration(answer['seconds'] * runs / min(runs, at_once))}, unless they stop early."


def run_seconds(config: RunConfig, settings: Settings) -> float | None:
    """Trains for a moment, and returns how long the whole run takes if it does not stop early."""
    stopwatch = _Stopwatch()
    train(config, data_folder=settings.data, run_folder=None, recorder=stopwatch, control=stopwatch.control)
    times = stopwatch.steps
    if len(times) < 2:
        return None
    first = min(WARM_UP, len(times) // 2)
    pace = (times[-1] - times[first - 1]) / (len(times) - first)
    return times[0] + pace * config.epochs * steps_per_epoch(config)


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
