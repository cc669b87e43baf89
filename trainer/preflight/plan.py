"""The learning rate that a configuration plans, computed before anything runs.

Schedules are pure functions, so the web process draws the same curve that training will follow, without torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from trainer.config import RunConfig
from trainer.engine.datasplit import steps_per_epoch
from trainer.techniques.schedules import Moment, rates

MAX_POINTS = 400  # more than a curve in the sidebar has pixels
REACTS_NOTE = "reacts to the validation loss; the dotted line assumes that it never stalls."


@dataclass(frozen=True)
class PlannedRate:
    """The planned curve: the learning rate `lr` at each of `steps`; `note` says what the plan leaves out."""

    steps: list[int]
    lr: list[float]
    steps_per_epoch: int
    note: str = ""

    @property
    def epochs(self) -> list[float]:
        """Returns the steps as fractional epochs."""
        return [step / self.steps_per_epoch for step in self.steps]


def planned_rate(config: RunConfig, points: int = MAX_POINTS) -> PlannedRate:
    """Returns the learning rate over the run at up to `points` steps, including the first and the last."""
    schedule = partial(config.technique("schedule").function, **config.schedule.knobs)
    per_epoch = steps_per_epoch(config)
    total = per_epoch * config.epochs
    steps = _spread(total, per_epoch, points)
    lr = [
        rates(schedule(Moment(step, step // per_epoch, total, config.epochs), config.learning_rate)).lr
        for step in steps
    ]
    reacts = config.technique("schedule").facts.get("per") == "validation"
    return PlannedRate(steps, lr, per_epoch, REACTS_NOTE if reacts else "")


def _spread(total: int, per_epoch: int, points: int) -> list[int]:
    """Returns steps spread evenly over the run, with both ends of each epoch if there is room, so that drops are vertical."""
    if total <= points:
        return list(range(total))
    epochs = total // per_epoch
    even = [round(index * (total - 1) / (points - 1)) for index in range(points)]
    if 4 * epochs > points:
        return even
    even = even[:: math.ceil(points / (points - 2 * epochs - 2))]
    ends = {step for epoch in range(epochs) for step in (epoch * per_epoch, (epoch + 1) * per_epoch - 1)}
    return sorted({*even, *ends, total - 1})
