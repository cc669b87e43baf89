"""The evidence of a run, and the quantities that the rules compare."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.config import RunConfig

Series = NDArray[np.float64]
Table = Mapping[str, Series]

MIN_EPOCHS, MIN_STEPS = 4, 60
"""With less, only a loss that is no longer finite is reported."""
USUAL_RATE = 0.001


@dataclass(frozen=True, eq=False)
class Evidence:
    """A run's configuration, state and recorded series.

    `steps`, `epochs` and `health` hold columns [rows] by name, oldest first, named as in the store. `ending` is why the run
    ended ("epochs", "early_stopping", "non_finite_loss", …); None while it trains. `since` is the step at which the run has
    branched or its knobs have changed last: then the series, and `config`, are those from there on.
    """

    config: RunConfig
    steps: Table
    epochs: Table
    health: Table
    ending: str | None = None
    over: bool = True
    skipped_steps: int = 0
    since: int = 0

    @cached_property
    def long_enough(self) -> bool:
        """Whether there is enough to judge a trend."""
        return len(self.train) >= MIN_EPOCHS and self.last_step >= MIN_STEPS

    def milestones(self) -> Iterator[Evidence]:
        """Yields the evidence up to each epoch at which a run in progress is judged."""
        for epoch in milestone_epochs(len(self.train)):
            yield self.until(epoch)

    def until(self, epoch: int) -> Evidence:
        """Returns the evidence up to the end of an epoch."""
        step = self.epochs["step"][epoch - 1]
        cut = {
            name: {column: values[: int(np.searchsorted(table["step"], step, "right"))] for column, values in table.items()}
            for name, table in (("steps", self.steps), ("epochs", self.epochs), ("health", self.health))
            if "step" in table
        }  # fmt: skip
        return replace(self, ending=None, over=False, **cut)  # type: ignore[arg-type]

    # -- the curves ------------------------------------------------------------------------------------------

    @cached_property
    def losses(self) -> Series:
        """Loss of each recorded step."""
        return self.steps.get("loss", np.empty(0))

    @cached_property
    def train(self) -> Series:
        """Training loss of each epoch, measured during training."""
        return self.epochs.get("train_loss", np.empty(0))

    @cached_property
    def val(self) -> Series:
        """Validation loss of each epoch."""
        return self.epochs.get("val_loss", np.empty(0))

    @property
    def last_step(self) -> int:
        """The last recorded step."""
        steps = self.steps.get("step", np.empty(0))
        return int(steps[-1]) if len(steps) else 0

    @property
    def progress(self) -> float:
        """Share of the planned epochs that are done; 1 once the run is over."""
        return 1.0 if self.over else len(self.train) / self.config.epochs

    def step_of(self, epoch: int) -> int:
        """Returns the last step of an epoch; epochs count from 0."""
        return int(self.epochs["step"][epoch])

    # -- how well it goes ------------------------------------------------------------------------------------

    @cached_property
    def guess_loss(self) -> float:
        """The loss of guessing: that of a network that has learned nothing."""
        data = self.config.data_facts()
        if data["task"] == "regression":
            return 1.0  # targets are standardized
        if outputs := data.get("outputs"):
            return math.log(outputs)
        finite = self.losses[np.isfinite(self.losses)][:10]
        return float(np.median(finite)) if len(finite) else 1.0

    @cached_property
    def train_end(self) -> float:
        """Training loss over the last fifth of the epochs."""
        return tail(self.train)

    @cached_property
    def val_end(self) -> float:
        """Validation loss over the last fifth of the epochs."""
        return tail(self.val)

    @cached_property
    def learned(self) -> float:
        """The share by which the loss is below that of guessing, on the better of training and validation part."""
        return 1 - min(self.train_end, self.val_end) / self.guess_loss

    @cached_property
    def first_loss(self) -> float:
        """The loss of the initial weights."""
        return float(self.losses[0]) if len(self.losses) else math.nan

    @cached_property
    def non_finite(self) -> bool:
        """Whether the run ended because its loss or gradient was no longer finite."""
        return self.ending == "non_finite_loss" or bool(len(self.losses) and not np.isfinite(self.losses[-1]))

    @cached_property
    def peak(self) -> tuple[float, int]:
        """The highest mean loss of three consecutive steps after the first, and the step in their middle."""
        smooth = running_mean(np.where(np.isfinite(self.losses), self.losses, np.nan)[1:], 3)
        if not len(smooth) or np.isnan(smooth).all():
            return 0.0, 0
        index = int(np.nanargmax(smooth))
        return float(smooth[index]), int(self.steps["step"][index + 2])

    @cached_property
    def jitter(self) -> float:
        """How much validation loss typically jumps between epochs of the second half, relative to itself."""
        return jitter(self.val[len(self.val) // 2 :])

    # -- what the configuration says ------------------------------------------------------------------------

    @property
    def usual_rate(self) -> float:
        """The usual learning rate for the optimizer."""
        return float(self.config.technique("optimizer").facts.get("usual_lr", USUAL_RATE))

    @property
    def recurrent(self) -> bool:
        """Whether the network passes its signal through time."""
        return bool(self.config.technique("model").facts.get("recurrent"))

    @property
    def own_normalization(self) -> bool:
        """Whether the network brings its own norms, which also keep gradients from vanishing."""
        return bool(self.config.technique("model").facts.get("own_normalization"))

    def layers(self, kind: str) -> dict[str, Series]:
        """Returns the health series of a kind by layer, in the order of the layers."""
        return {
            name.partition("/")[2]: values
            for name, values in self.health.items()
            if name.startswith(f"{kind}/")
        }


def may_be_judged(config: RunConfig) -> bool:
    """Returns False for a probe, which diverges on purpose, and for slow motion, which is for watching single steps."""
    return not config.technique("schedule").facts.get("probe") and not config.pace


def milestone_epochs(epochs: int) -> list[int]:
    """Returns the epochs, up to this one, at which a run in progress is judged. They grow by a factor of about √2."""
    found, epoch = [], float(MIN_EPOCHS + 1)
    while round(epoch) <= epochs:
        found.append(round(epoch))
        epoch *= math.sqrt(2)
    return found


def tail(series: Series) -> float:
    """Returns the median of the last fifth, at least one value; NaN for an empty series."""
    return float(np.median(series[-max(1, len(series) // 5) :])) if len(series) else math.nan


def jitter(series: Series) -> float:
    """Returns how much a series typically jumps from value to value, relative to itself; 0 for fewer than four. Second
    differences ignore a steady fall; medians ignore a single jump among quiet values."""
    if len(series) < 4:
        return 0.0
    return float(np.median(np.abs(np.diff(series, 2))) / math.sqrt(3) / np.median(series))


def running_mean(series: Series, window: int) -> Series:
    """Returns the means of `window` consecutive values; empty when there are fewer."""
    if len(series) < window:
        return np.empty(0)
    with np.errstate(all="ignore"):
        mean: Series = np.lib.stride_tricks.sliding_window_view(series, window).mean(1)
    return mean


def outcome(results: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns what the results say beyond the curves, as arguments of `Evidence`."""
    known = results or {}
    return {
        "ending": known.get("stopped_by"),
        "skipped_steps": int(known.get("skipped_steps") or 0),
    }
