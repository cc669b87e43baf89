"""The learning-rate range test: let the rate grow until the loss explodes, and read the best rate off the curve.

Source: Smith 2015, arXiv:1506.01186. The test is a run of its own: no other run's weights are touched. Its suggestions are
computed from the recorded curve by plain NumPy, so the page can do that without torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.config import RunConfig
from trainer.engine.datasplit import steps_per_epoch
from trainer.engine.loop import RequestSource, train
from trainer.engine.report import Results, RunReporter
from trainer.lifecycle.requests import Request, RequestKind
from trainer.metrics.registry import Point

NAME = "LR finder"
MEMORY = 0.9  # of the smoothed loss: it averages over about ten steps
WORSE = 4.0  # times the best smoothed loss ends the test
WARMING_UP = 5  # steps before a verdict; the first batches differ by chance

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Suggestion:
    """Two rates read off the curve: where the loss falls fastest, and well down the longest way down."""

    steepest: float
    valley: float


def finder_config(config: RunConfig, start: float, end: float, steps: int) -> RunConfig:
    """The configuration of a range test for a run: the same but for a rate that grows from `start` to `end`.

    Raises ConfigError for impossible values.
    """
    return config.changed(
        {
            "schedule": "range_test",
            "schedule.start": start,
            "schedule.end": end,
            "schedule.steps": steps,
            "early_stopping": "none",
            "health": False,
            "epochs": math.ceil(steps / steps_per_epoch(config)),
        }
    )


def train_range_test(
    config: RunConfig, *, recorder: RunReporter, control: RequestSource, **places: Any
) -> Results:
    """Trains until the loss is four times its best, no longer finite, or the steps are over. That end is the aim."""
    test = RangeTest(recorder, control, config.schedule.knobs["steps"])
    results = train(config, recorder=test, control=test.control, **{**places, "run_folder": None})
    if test.over or results.stopped_by in ("non_finite_loss", "epochs"):
        results.stopped_by, results.error = "range_test", None
    return results


class RangeTest:
    """A reporter that passes everything on, and requests a stop once the loss has exploded."""

    def __init__(self, recorder: RunReporter, control: RequestSource, steps: int) -> None:
        self.recorder, self.outer_control, self.steps = recorder, control, steps
        self.smooth, self.best, self.over = Smooth(), math.inf, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.recorder, name)

    def step(self, point: Point) -> None:
        """Passes the step on and checks the smoothed loss."""
        self.recorder.step(point)
        smoothed = self.smooth.add(float(point.loss))
        if point.step > WARMING_UP:
            self.over = self.over or smoothed > WORSE * self.best
        self.best = min(self.best, smoothed)
        self.over = self.over or point.step >= self.steps

    def control(self) -> Request | None:
        """Returns the next request, or a stop once the test is over."""
        return self.outer_control() or (Request(RequestKind.STOP) if self.over else None)


class Smooth:
    """An exponential moving average without the bias of its first steps."""

    def __init__(self) -> None:
        self.average, self.weight = 0.0, 0.0

    def add(self, value: float) -> float:
        """Takes a value and returns the average so far."""
        self.average = MEMORY * self.average + (1 - MEMORY) * value
        self.weight = MEMORY * self.weight + (1 - MEMORY)
        return self.average / self.weight


def smoothed(losses: Curve) -> Curve:
    """The smoothed curve, the same length as `losses`; values that are not finite stay so."""
    smooth = Smooth()
    return np.array([smooth.add(loss) for loss in losses])


def suggest(rates: Curve, losses: Curve) -> Suggestion | None:
    """Reads both suggestions off the raw curve; None where it never falls, or is too short to tell.

    Steepest: where the smoothed loss falls most over a tenth of the test (rates grow by the same factor each step).
    Valley: two thirds down the longest falling subsequence, which is more cautious and less moved by noise.
    """
    finite = np.isfinite(losses)
    if finite.sum() < 3 * WARMING_UP:
        return None
    rates, curve = rates[finite], smoothed(losses[finite])
    lowest = int(curve.argmin())
    if lowest < WARMING_UP:
        return None
    falling = longest_fall(curve[: lowest + 1])
    span = max(2, len(curve) // 20)  # to both sides: from one step to the next the slope is mostly noise
    middles = np.arange(2 * span, max(2 * span + 1, lowest + 1 - span))
    drops = curve[np.minimum(middles + span, lowest)] - curve[middles - span]
    steepest = middles[drops.argmin()]
    return Suggestion(float(rates[steepest]), float(rates[falling[(2 * len(falling)) // 3]]))


def longest_fall(curve: Curve) -> list[int]:
    """Indices of the longest strictly falling subsequence, of the one that ends lowest if there are several."""
    length, before = np.ones(len(curve), dtype=int), np.full(len(curve), -1)
    for index in range(1, len(curve)):
        higher = np.flatnonzero(curve[:index] > curve[index])
        if len(higher):
            best = higher[length[higher].argmax()]
            length[index], before[index] = length[best] + 1, best
    candidates = np.flatnonzero(length == length.max())
    path = [int(candidates[curve[candidates].argmin()])]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    return path[::-1]
