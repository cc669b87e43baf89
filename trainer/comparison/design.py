"""What a comparison compares: arms, seeds, the measure, and at what point of training it is read."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)

from trainer.choice import short_repr, unknown
from trainer.comparison.evidence import CLAIM, fewest
from trainer.comparison.readings import READINGS
from trainer.config import MAX_SEED, PURPOSES, Change, ConfigError, Purpose, RunConfig, diff, entry_of
from trainer.describe.labels import Differences, differences

MAX_ARMS = 32
MAX_SEEDS = 100
MAX_NAME = 80
DATA_KNOBS = ("data", "validation_share", "test_share", "seed.split")
"""What must be alike in all arms: a loss on other data cannot be compared."""

Unit = Literal["epochs", "steps", "seconds", "samples"]
Vary = Literal["everything", Purpose]
EVERYTHING: Final = "everything"
VARIED: Mapping[Vary, str] = {
    EVERYTHING: "everything",
    "split": "the split",
    "weights": "the initial weights",
    "order": "the batch order",
    "dropout": "dropout",
}
"""What replicates may vary, in words: the whole seed, or the seed of one purpose."""


StoredConfig = Annotated[
    RunConfig,
    BeforeValidator(lambda value: value if isinstance(value, RunConfig) else RunConfig.parse(value)),
    PlainSerializer(RunConfig.to_dict),
]
"""A configuration in a design, which is kept in its nested form."""


class Arm(BaseModel):
    """One configuration of a comparison, and what its replicates vary. The seed in it does not count: each replicate sets it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    config: StoredConfig
    vary: Vary = Field(EVERYTHING, exclude_if=lambda vary: vary == EVERYTHING)

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


class Design(BaseModel):
    """A comparison before it has any runs. The first arm is the baseline.

    `until` reads each run at that many `unit`s of training, such as 500 steps; None reads it at its end. In a factorial design
    `factors` says of each technique by which arms, counted from 0, it is used (factors.py).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    measure: str = "best_val_loss"
    margin: float = 0.0
    unit: Unit = "epochs"
    until: float | None = None
    factors: dict[str, tuple[int, ...]] = Field({}, exclude_if=lambda factors: not factors)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        problems = (
            self._problems_of_arms(),
            self._problems_of_seeds(),
            self._problems_of_measure(),
            self._problems_of_factors(),
        )
        for problem in itertools.chain(*problems):
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
                differ = (
                    f"{arm.name!r} and the baseline {self.baseline.name!r} differ in {change.label} ({change.after} and "
                    f"{change.before})"
                )
                if entry_of(change.key) in DATA_KNOBS:
                    yield f"{differ}: results on other data cannot be compared. Give both the same."
                if change.key == f"seed.{arm.vary}":
                    yield f"{differ}, which each replicate sets. Give both the same, or vary something else."
        yield from self._problems_of_sources()

    def _problems_of_sources(self) -> Iterator[str]:
        if all(arm.vary == "dropout" and not arm.config.drops_out for arm in self.arms):
            yield (
                "Dropout is off in all arms, so replicates that vary it alone would all be the same run. "
                "Set dropout=0.2 or another rate, or vary something else."
            )
        sources = [arm.vary for arm in self.arms]
        if self.studies_noise and (
            len(set(sources)) < len(sources) or any(arm.config != self.baseline.config for arm in self.arms)
        ):
            yield (
                "The arms vary different things between their replicates. Let all vary the same, or give each arm the same "
                "configuration and a source of noise of its own."
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

    def _problems_of_factors(self) -> Iterator[str]:
        for name, having in self.factors.items():
            if not (
                0 < len(set(having)) < len(self.arms) and all(0 < arm < len(self.arms) for arm in having)
            ):
                yield (
                    f"The factor {short_repr(name)} is in the arms {list(having)}; it must be in some, but neither "
                    "in all nor in the baseline."
                )

    @property
    def baseline(self) -> Arm:
        """The arm that the others are compared with."""
        return self.arms[0]

    @property
    def studies_noise(self) -> bool:
        """Whether the arms are the sources of one configuration's noise, instead of configurations."""
        return len({arm.vary for arm in self.arms}) > 1

    @property
    def vary(self) -> Vary:
        """What the replicates of the baseline vary."""
        return self.baseline.vary

    @property
    def fixed(self) -> tuple[Purpose, ...]:
        """What has the same seed in all replicates."""
        if self.vary != EVERYTHING:
            return tuple(one for one in PURPOSES if one != self.vary)
        values = self.baseline.config.flat()
        return tuple(one for one in PURPOSES if values[f"seed.{one}"] is not None)

    @property
    def varied(self) -> str:
        """What replicates differ in, in words."""
        fixed = " and ".join(VARIED[one] for one in self.fixed)
        return VARIED[self.vary] + (f" but {fixed}" if fixed and self.vary == EVERYTHING else "")

    @property
    def of_seeds(self) -> str:
        """What the seeds are seeds of, to be said after their number; empty where they determine the whole run."""
        return (f" of {self.varied}" + ", one split" * ("split" in self.fixed)) if self.fixed else ""

    def config(self, arm: int, replicate: int) -> RunConfig:
        """The configuration of one run."""
        one, seed = self.arms[arm], self.seeds[replicate]
        if one.vary == EVERYTHING:
            return one.config.changed({"seed": seed})
        return one.config.changed({"seed": self.baseline.config.seed, f"seed.{one.vary}": seed})

    def changes(self, arm: int) -> list[Change]:
        """What an arm changes of the baseline."""
        return [one for one in diff(self.baseline.config, self.arms[arm].config) if one.key != "seed"]

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self.arms) * len(self.seeds)

    def with_seeds(self, count: int) -> Design:
        """Returns the design with `count` more seeds, counted on from the largest. Raises ConfigError."""
        more = counted_seeds(max(self.seeds) + 1, count, self.seeds)
        return parse_design({**self.model_dump(), "seeds": [*self.seeds, *more]})


def arm_name(baseline: RunConfig, config: RunConfig) -> str:
    """Returns what an arm changes of the baseline, as its name: "Batch norm, Dropout rate 0.2"."""
    found = [one for one in differences(config, baseline).changes if one.key != "seed"]
    return _cut(str(Differences(found, "baseline")))


def named_arms(baseline: RunConfig, others: Sequence[RunConfig]) -> dict[str, RunConfig]:
    """Returns the baseline and the other arms by name."""
    names = unique_names(["baseline", *(arm_name(baseline, config) for config in others)])
    return dict(zip(names, [baseline, *others], strict=True))


def unique_names(names: Iterable[str]) -> list[str]:
    """Returns names short enough for arms; those that are then alike get a number."""
    found: list[str] = []
    for whole in names:
        name, number = _cut(whole), 2
        while name in found:
            end = f" ({number})"
            name, number = f"{whole[: MAX_NAME - len(end)]}{end}", number + 1
        found.append(name)
    return found


def make_design(
    arms: Mapping[str, RunConfig],
    seeds: Sequence[int] | int | None = None,
    vary: Vary = EVERYTHING,
    **choices: Any,
) -> Design:
    """Returns the design of these arms, the first one the baseline. `seeds` may be their number; by default as many as can make
    a claim about each arm. Raises ConfigError with one sentence."""
    if seeds is None:
        seeds = default_seeds(len(choices.get("factors") or ()) or len(arms) - 1)
    if isinstance(seeds, int):
        seeds = counted_seeds(next(iter(arms.values())).seed if arms else 0, seeds)
    listed = [{"name": name, "config": config, "vary": vary} for name, config in arms.items()]
    return parse_design({"arms": listed, "seeds": list(seeds), **choices})


def counted_seeds(first: int, count: int, used: Sequence[int] = ()) -> list[int]:
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


def _cut(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
