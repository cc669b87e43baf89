"""Measures the per-step metrics: every declared function that is due, in the order of the columns."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from trainer.engine.flat import Weights, global_norm
from trainer.metrics.context import Epoch, Step
from trainer.metrics.registry import Point, metrics, point_type

if TYPE_CHECKING:
    from trainer.metrics.context import Number


class Meter:
    """The loop fills in `step`, calls `before_update`, and asks for the `point` once the optimizer has done its step.

    Which metrics are due depends on the step's number alone, so that a resumed run measures at the same steps.
    """

    def __init__(self, weights: Weights, seconds: float) -> None:
        """`seconds`: how long the run has trained already."""
        declared = metrics("step").values()
        self.weights, self.step = weights, Step(seconds)
        self.make = point_type("step")._make
        self.period = math.lcm(*(one.every for one in declared))
        self.functions: list[list[Callable[[Step], Number]]] = []
        self.watches: list[bool] = []
        for place in range(self.period):
            due = [one if place % one.every == 0 else None for one in declared]
            self.functions.append([one.function if one else not_measured for one in due])
            self.watches.append(any(one and one.watches_update for one in due))
        self.copies = weights.copies() if any(self.watches) else []

    @property
    def place(self) -> int:
        """Where the step stands within the period."""
        return (self.step.number - 1) % self.period

    def before_update(self) -> None:
        """Copies the weights where a metric watches what changes them."""
        if self.watches[self.place]:
            self.weights.copy_to(self.copies)
            self.step.weight_norm = global_norm(self.copies)

    def point(self, seconds: float) -> Point:
        """The values of all metrics at this step, which ended `seconds` into the run."""
        step = self.step
        if self.watches[self.place]:
            for copy, parameter in zip(self.copies, self.weights.parameters, strict=True):
                copy.sub_(parameter.detach())  # in place: a new tensor would cost three times as much
            step.update_norm = global_norm(self.copies)
        step.elapsed, step.seconds = seconds - step.seconds, seconds
        return self.make([measure(step) for measure in self.functions[self.place]])


def not_measured(step: Step) -> float:
    """Stands in for a metric that is not due."""
    return math.nan


def measure_epoch(epoch: Epoch) -> Point:
    """The values of all per-epoch metrics."""
    return point_type("epoch")._make([one.function(epoch) for one in metrics("epoch").values()])
