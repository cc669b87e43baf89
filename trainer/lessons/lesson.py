"""What a lesson is: its arms, what it asks, what it promises, and the goal at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from trainer.comparison.design import Design, make_design
from trainer.config import RunConfig, label_of
from trainer.lessons.claims import Arms, Claim
from trainer.lessons.questions import Question, Setting
from trainer.lessons.readings import FIGURES, Trained
from trainer.presets import PRESETS, Preset
from trainer.registry import families

RECIPE: Final = "recipe"
"""The family of lessons about several techniques together."""
STEPS: Final = ("question", "prediction", "run", "reveal", "why", "now you", "checkpoint")
"""What a visitor goes through, in this order."""
SECTIONS: Final = ("Question", "Why", "Now you")
"""The parts of a lesson's text, by their headings."""
Scalar = str | int | float | bool


class LessonError(ValueError):
    """A lesson that cannot be used. The message is a sentence with file, line, value and remedy."""


class Bounds(BaseModel):
    """Where a knob's value must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_least: float | None = None
    at_most: float | None = None

    def admit(self, value: float) -> bool:
        """Whether a value is within."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )


class Goal(BaseModel):
    """What a run of one's own has to reach, with knobs where `where` says. With `of`, its bounds are multiples of what that arm
    has reached with the same seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1)
    reading: str
    at_least: float | None = None
    at_most: float | None = None
    of: str | None = None
    where: dict[str, Bounds | Scalar] = {}

    def value(self, run: Trained) -> float:
        """Returns what the run reached."""
        return FIGURES[self.reading].read(run)

    def bounds(self, arms: Arms) -> Bounds:
        """Returns where the value must be, given the arms' runs with the same seed."""
        unit = 1.0 if self.of is None else FIGURES[self.reading].read(arms[self.of])
        at_least, at_most = (None if end is None else end * unit for end in (self.at_least, self.at_most))
        return Bounds(at_least=at_least, at_most=at_most)

    def is_reached(self, run: Trained, config: RunConfig, arms: Arms) -> bool:
        """Whether a run reaches it, beside the arms' runs with the same seed."""
        return self.bounds(arms).admit(self.value(run)) and not list(self.missed(config))

    def missed(self, config: RunConfig) -> Iterator[str]:
        """Yields what a configuration lacks, such as "Dropout rate at least 0.1"."""
        flat = config.flat()
        for key, wanted in self.where.items():
            if isinstance(wanted, Bounds):
                if key not in flat or not wanted.admit(flat[key]):
                    ends = (("at least", wanted.at_least), ("at most", wanted.at_most))
                    limits = " and ".join(f"{words} {end:g}" for words, end in ends if end is not None)
                    yield f"{label_of(key, config)} {limits}"
            elif flat.get(key) != wanted:
                yield f"{label_of(key, config)} {wanted}"


class NowYou(BaseModel):
    """What a visitor tries alone: the arm to begin from, knobs opened one after another, the goal, and a way to reach it, which
    the page does not show."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: str
    knobs: tuple[str, ...] = Field(min_length=1)
    goal: Goal
    solution: dict[str, Scalar] = Field(min_length=1)


class Lesson(BaseModel):
    """A lesson as its file's front matter says, with the sections of its text. `name` is that of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str = Field(min_length=1, max_length=80)
    family: str
    minutes: int = Field(ge=1, le=30)
    question: str = Field(min_length=1)
    data: str = ""
    preset: str = ""
    shared: dict[str, Scalar] = {}
    arms: dict[str, dict[str, Scalar]] = {}
    measure: str = "best_val_loss"
    predictions: tuple[Question, ...] = Field(min_length=1)
    promise: tuple[Claim, ...] = ()
    examples: tuple[str, ...] = ()
    now_you: NowYou
    checkpoints: tuple[Question, ...] = Field(min_length=1)
    sections: dict[str, str] = {}

    @property
    def base(self) -> Preset | None:
        """The ready-made comparison whose arms it trains."""
        return PRESETS.get(self.preset)

    @cached_property
    def configs(self) -> Mapping[str, RunConfig]:
        """Each arm's configuration by name, the baseline first. Raises ConfigError."""
        if self.base is not None:
            return self.base.configs()
        return {
            name: RunConfig.from_flat({"data": self.data, **self.shared, **changes})
            for name, changes in self.arms.items()
        }

    @property
    def reading(self) -> str:
        """The figure that the arms are compared by."""
        return self.base.measure if self.base is not None else self.measure

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What it promises, with what its preset does."""
        if self.base is None:
            return self.promise
        baseline = next(iter(self.base.runs))
        return (*(Claim(arm=arm, below=baseline) for arm in self.base.claims), *self.promise)

    @property
    def classifies(self) -> bool:
        """Whether its data has classes."""
        return bool(next(iter(self.configs.values())).data_facts()["task"] == "classification")

    @property
    def setting(self) -> Setting:
        """What its questions need to know."""
        return Setting(list(self.configs), self.reading, self.classifies)

    @property
    def family_label(self) -> str:
        """The family in words."""
        return "All together" if self.family == RECIPE else families()[self.family].label

    @property
    def start(self) -> RunConfig:
        """The configuration that "now you" begins with."""
        return self.configs[self.now_you.start]

    def design(self, seed: int = 0) -> Design:
        """Returns the comparison that a visitor trains: each arm once, with the same seed. Raises ConfigError."""
        arms = {name: config.changed({"seed": seed}) for name, config in self.configs.items()}
        return make_design(arms, [seed], measure=self.reading)

    def broken(self, runs: Arms) -> list[Claim]:
        """Returns the claims that do not hold in the runs of one seed."""
        return [claim for claim in self.claims if not claim.holds(runs, self.reading)]

    def knobs_open(self, tries: int) -> tuple[str, ...]:
        """Returns the knobs that are open after so many tries: one at first, and one more after each."""
        return self.now_you.knobs[: tries + 1]
