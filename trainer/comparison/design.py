"""What a comparison compares: arms, seeds, the measure, and at what point of training it is read."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from trainer.choice import short_repr, unknown
from trainer.comparison.evidence import CLAIM, fewest
from trainer.comparison.readings import READINGS
from trainer.config import Change, ConfigError, RunConfig, diff
from trainer.describe.labels import Differences, differences

MAX_ARMS = 32
MAX_SEEDS = 100
MAX_NAME = 80
MAX_SEED = 2**31 - 1
DATA_KNOBS = ("data", "validation_share", "test_share")
"""What must be alike in all arms: a loss on other data cannot be compared."""

Unit = Literal["epochs", "steps", "seconds", "samples"]


class Arm(BaseModel):
    """One configuration of a comparison. The seed in it does not count: each replicate sets its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    config: RunConfig

    @field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        if not name.strip():
            raise ConfigError("An arm has no name; give each one.")
        if len(name) > MAX_NAME:
            raise ConfigError(
                f"The name {short_repr(name)} has {len(name)} characters; use at most {MAX_NAME} characters."
            )
        return name

    @field_validator("config", mode="before")
    @classmethod
    def _read(cls, value: Any) -> RunConfig:
        return value if isinstance(value, RunConfig) else RunConfig.parse(value)

    @field_serializer("config")
    def _plain(self, value: RunConfig) -> dict[str, Any]:
        return value.to_dict()


class Design(BaseModel):
    """A comparison before it has any runs. The first arm is the baseline.

    `until` reads each run at that many `unit`s of training, such as 500 steps; None reads it at its end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    measure: str = "best_val_loss"
    margin: float = 0.0
    unit: Unit = "epochs"
    until: float | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for problem in (*self._problems_of_arms(), *self._problems_of_seeds(), *self._problems_of_measure()):
            raise ConfigError(problem)
        return self

    def _problems_of_arms(self) -> Iterator[str]:
        if len(self.arms) < 2:
            yield f"A comparison needs at least two arms; this one has {len(self.arms)}."
            return
        if len(self.arms) > MAX_ARMS:
            yield f"{len(self.arms)} arms are too many; compare at most {MAX_ARMS}."
        names = [arm.name for arm in self.arms]
        if twice := [name for name in names if names.count(name) > 1]:
            yield f"Two arms are called {twice[0]!r}; give each its own name."
        for number, arm in enumerate(self.arms):
            for change in self.changes(number):
                if change.key.partition(".")[0] in DATA_KNOBS:
                    yield (
                        f"{arm.name!r} and the baseline {self.baseline.name!r} differ in {change.label} ({change.after} and "
                        f"{change.before}): results on other data cannot be compared. Give both the same."
                    )

    def _problems_of_seeds(self) -> Iterator[str]:
        if not self.seeds:
            yield "A comparison needs at least one seed."
        if len(self.seeds) > MAX_SEEDS:
            yield f"{len(self.seeds)} seeds are too many; use at most {MAX_SEEDS} seeds."
        for seed in self.seeds:
            if not 0 <= seed <= MAX_SEED:
                yield f"Seed {seed} is not a seed; use whole numbers from 0 to {MAX_SEED}."
        if len(set(self.seeds)) < len(self.seeds):
            twice = next(seed for i, seed in enumerate(self.seeds) if seed in self.seeds[:i])
            yield f"Seed {twice} is listed twice; give each seed once."

    def _problems_of_measure(self) -> Iterator[str]:
        if self.measure not in READINGS:
            yield unknown("measure", self.measure, READINGS)
        elif self.until is not None and READINGS[self.measure].part == "test":
            yield "The test part is evaluated once, at the end; compare by a validation measure, or leave out `until`."
        if not (self.margin >= 0 and math.isfinite(self.margin)):
            yield f"The margin is {self.margin:g}, but must be 0 or more."
        if self.until is not None and not (self.until > 0 and math.isfinite(self.until)):
            yield f"`until` is {self.until:g}, but must be more than 0."

    @property
    def baseline(self) -> Arm:
        """The arm that the others are compared with."""
        return self.arms[0]

    def config(self, arm: int, replicate: int) -> RunConfig:
        """The configuration of one run."""
        return self.arms[arm].config.changed({"seed": self.seeds[replicate]})

    def changes(self, arm: int) -> list[Change]:
        """What an arm changes of the baseline."""
        return [one for one in diff(self.baseline.config, self.arms[arm].config) if one.key != "seed"]

    def with_seeds(self, count: int) -> Design:
        """Returns the design with `count` more seeds, counted on from the largest. Raises ConfigError."""
        more = _seeds(max(self.seeds) + 1, count, self.seeds)
        return parse_design({**self.model_dump(), "seeds": [*self.seeds, *more]})


def arm_name(baseline: RunConfig, config: RunConfig) -> str:
    """Returns what an arm changes of the baseline, as its name: "Batch norm, Dropout rate 0.2"."""
    found = [one for one in differences(config, baseline).changes if one.key != "seed"]
    name = str(Differences(found, "baseline"))
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def named_arms(baseline: RunConfig, others: Iterable[RunConfig]) -> dict[str, RunConfig]:
    """Returns the baseline and the other arms by name; names that are alike because they were cut get a number."""
    arms = {"baseline": baseline}
    for config in others:
        name, number = arm_name(baseline, config), 2
        while name in arms:
            end = f" ({number})"
            name, number = f"{arm_name(baseline, config)[: MAX_NAME - len(end)]}{end}", number + 1
        arms[name] = config
    return arms


def make_design(
    arms: Mapping[str, RunConfig], seeds: Sequence[int] | int | None = None, **choices: Any
) -> Design:
    """Returns the design of these arms, the first one the baseline. `seeds` may be their number; by default as many as can make
    a claim about each arm. Raises ConfigError with one sentence."""
    if seeds is None:
        seeds = default_seeds(len(arms) - 1)
    if isinstance(seeds, int):
        seeds = _seeds(next(iter(arms.values())).seed if arms else 0, seeds)
    listed = [{"name": name, "config": config} for name, config in arms.items()]
    return parse_design({"arms": listed, "seeds": list(seeds), **choices})


def _seeds(first: int, count: int, used: Sequence[int] = ()) -> list[int]:
    """Returns `count` seeds counted on from `first`, without those in use; 0 follows the largest. Raises ConfigError."""
    if not 1 <= count <= MAX_SEEDS:
        raise ConfigError(f"{count} seeds cannot be compared; use 1 to {MAX_SEEDS} seeds.")
    following = ((first + number) % (MAX_SEED + 1) for number in itertools.count())
    return list(itertools.islice((seed for seed in following if seed not in used), count))


def default_seeds(arms: int) -> int:
    """Returns how many seeds can show a large effect of one among so many arms: six for one arm, a few more for several."""
    return fewest(CLAIM * arms)


def parse_design(value: Any) -> Design:
    """Returns the design of plain values. Raises ConfigError with one sentence."""
    try:
        return Design.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        own = first.get("ctx", {}).get("error")
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(str(own or f"Comparison: {place or 'the design'}: {first['msg']}.")) from None
