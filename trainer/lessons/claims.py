"""Claims about a lesson's arms, in a form that runs can confirm or refute."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, model_validator

from trainer.lessons.readings import FIGURES, Trained, label_of

Arms = Mapping[str, Trained]
"""The runs of one seed, by arm."""

CLEAR: Final = 1.5
"""Standard errors by which the mean difference must be on the claimed side."""


class Claim(BaseModel):
    """A figure of an arm is below or above a number, or `factor` times the same figure of another arm.

    `reading` names the figure (readings.FIGURES); None for the lesson's measure.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: str
    below: str | float | None = None
    above: str | float | None = None
    reading: str | None = None
    factor: float = 1.0

    @model_validator(mode="after")
    def _has_one_bound(self) -> Self:
        if (self.below is None) == (self.above is None):
            raise ValueError("needs either `below` or `above`, an arm or a number")
        return self

    @property
    def bound(self) -> str | float:
        """The arm or number that the figure is compared with."""
        value = self.below if self.below is not None else self.above
        assert value is not None
        return value

    def excess(self, runs: Arms, measure: str) -> float:
        """Returns how far the figure is on the wrong side of its bound; negative where the claim holds."""
        read = FIGURES[self.reading or measure].read
        limit = read(runs[self.bound]) if isinstance(self.bound, str) else self.bound
        value, limit = read(runs[self.arm]), self.factor * limit
        if math.isinf(value) and math.isinf(limit):
            return 0.0
        return value - limit if self.below is not None else limit - value

    def holds(self, runs: Arms, measure: str) -> bool:
        """Whether it holds in the runs of one seed. It does not where a figure is not a number."""
        return self.excess(runs, measure) < 0

    def holds_over(self, seeds: Sequence[Arms], measure: str) -> bool:
        """Whether it holds on average over several seeds, by a clear margin; where a difference is infinite, in each."""
        excesses = [self.excess(runs, measure) for runs in seeds]
        if len(excesses) < 2 or not all(map(math.isfinite, excesses)):
            return all(one < 0 for one in excesses)
        error = statistics.stdev(excesses) / math.sqrt(len(excesses))
        return statistics.fmean(excesses) < 0 and statistics.fmean(excesses) <= -CLEAR * error

    def words(self, measure: str, *, classifies: bool = True) -> str:
        """Returns the claim as a part of a sentence."""
        name = label_of(self.reading or measure, classifies=classifies)
        side = "below" if self.below is not None else "above"
        times = "" if self.factor == 1 else f"{self.factor:g} × "
        bound = f"{times}that of “{self.bound}”" if isinstance(self.bound, str) else f"{self.bound:g}"
        return f"the {name} of “{self.arm}” is {side} {bound}"
