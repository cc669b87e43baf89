"""What a search searches: a configuration, a space, the measure, and who chooses and ends trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from trainer.choice import unknown
from trainer.comparison.design import (
    Design,
    StoredConfig,
    counted_seeds,
    default_seeds,
    make_design,
    named_arms,
)
from trainer.comparison.readings import READINGS
from trainer.comparison.search.space import Dimension, check_space, grid
from trainer.config import ConfigError, RunConfig

MAX_TRIALS: Final = 500
MAX_AT_ONCE: Final = 32
MAX_MINUTES: Final = 7 * 24 * 60
Sampler = Literal["tpe", "random", "grid"]
Pruner = Literal["none", "median", "hyperband"]
SAMPLERS: Final[Mapping[str, str]] = {
    "tpe": "learns from the trials before where good values lie (tree-structured Parzen estimator)",
    "random": "draws every trial independently",
    "grid": "visits every combination; a range is divided into a few values",
}
PRUNERS: Final[Mapping[str, str]] = {
    "none": "every trial trains to its end",
    "median": "ends a trial that is worse than the median of those before it at the same epoch",
    "hyperband": "gives many trials a few epochs, and the better ones more",
}
MEASURES: Final = {name: one for name, one in READINGS.items() if one.part != "test"}
"""What a search may go by. The test part is no part of it: chosen by it, the winner's test result would be too good."""


class SearchDesign(BaseModel):
    """A search before it has any trials. All trials have the seed of `base`. Once it was under way for so many `minutes`, no
    further trial begins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: StoredConfig
    space: dict[str, Dimension]
    sampler: Sampler = "tpe"
    pruner: Pruner = "none"
    trials: int = Field(20, ge=1, le=MAX_TRIALS)
    at_once: int = Field(2, ge=1, le=MAX_AT_ONCE)
    measure: str = "best_val_loss"
    minutes: float | None = Field(
        None, gt=0, le=MAX_MINUTES, allow_inf_nan=False, exclude_if=lambda one: one is None
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for problem in self._problems():
            raise ConfigError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        if self.measure in READINGS and self.measure not in MEASURES:
            yield (
                "The test part is evaluated once and must not choose the winner; search by a validation measure: "
                f"{', '.join(MEASURES)}."
            )
        if self.measure not in MEASURES:
            yield unknown("measure", self.measure, MEASURES)
        if self.base.technique("schedule").facts.get("probe"):
            yield f"schedule {self.base.schedule.name} is a test of its own. Use the LR finder."

    @property
    def compared(self) -> Design:
        """The comparison whose measure the search goes by: it has the direction and the words."""
        arms = {"baseline": self.base, "other": self.base}
        return make_design(arms, 1, measure=self.measure)

    @property
    def grid(self) -> list[dict[str, Any]]:
        """The trials of a grid, as flat keys."""
        return grid(self.space, self.base, MAX_TRIALS)


def make_search(**choices: Any) -> SearchDesign:
    """Returns the design of a new search. A grid has no more trials than combinations. Raises ConfigError with one sentence."""
    design = parse_search(choices)
    check_space(design.space, design.base)
    if design.sampler == "grid":
        design = design.model_copy(update={"trials": len(design.grid)})
    return design


def with_more_trials(
    design: SearchDesign, begun: int, more: int, minutes: float | None = None
) -> SearchDesign:
    """Returns the design of a search that is to begin so many more trials than it has begun, in so many `minutes` in all. Raises
    ConfigError where that is more than a search or its grid has."""
    most = len(design.grid) if design.sampler == "grid" else MAX_TRIALS
    if not 0 < more <= most - begun:
        left = f"at most {most - begun} more" if most > begun else "no more"
        what = "combinations of its grid" if design.sampler == "grid" else "trials of a search"
        raise ConfigError(f"{begun} of {most} {what} have begun, so it can have {left}, not {more}.")
    return parse_search({**design.model_dump(), "trials": begun + more, "minutes": minutes})


def parse_search(value: Any) -> SearchDesign:
    """Returns the design of plain values. Raises ConfigError with one sentence."""
    try:
        return SearchDesign.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        own = first.get("ctx", {}).get("error")
        place = ".".join(str(part) for part in first["loc"])
        message = f"Search: {place or 'the design'} is {first['input']!r}: {first['msg']}."
        raise ConfigError(str(own or message)) from None


def winner_design(design: SearchDesign, winner: RunConfig) -> Design:
    """Returns the comparison of a search's winner with its baseline, over seeds that the search has not used. Raises
    ConfigError."""
    seeds = counted_seeds(design.base.seed + 1, default_seeds(1), [design.base.seed])
    return make_design(named_arms(design.base, [winner]), seeds, measure=design.measure)
