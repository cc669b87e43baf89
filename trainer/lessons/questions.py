"""Questions of a lesson, predictions and checkpoints alike: what one may answer, and what the runs say to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from trainer.lessons.claims import Arms, Claim
from trainer.lessons.readings import COLUMNS, FIGURES, written

POINTS: Final = 41
"""Of a drawn curve: its values at even distances from the first epoch to the last."""


class Setting(NamedTuple):
    """What a question needs to know of its lesson."""

    arms: Sequence[str]
    measure: str
    classifies: bool


class Judgment(NamedTuple):
    """What came of an answer: right or not (None where it is a matter of degree), and what happened, in a sentence."""

    right: bool | None
    sentence: str


class _Question(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    ask: str = Field(min_length=1)
    because: str = ""


class Which(_Question):
    """Which arm has the lowest or highest value of a figure?"""

    which: Literal["lowest", "highest"]
    reading: str | None = None

    def options(self, setting: Setting) -> list[str]:
        """Returns what one may choose from."""
        return list(setting.arms)

    def truth(self, runs: Arms, setting: Setting) -> str:
        """Returns the arm that it was in these runs."""
        read = FIGURES[self.reading or setting.measure].read
        sign = 1 if self.which == "lowest" else -1

        def rank(arm: str) -> float:
            value = sign * read(runs[arm])
            return math.inf if math.isnan(value) else value

        return min(setting.arms, key=rank)

    def judge(self, answer: Any, runs: Arms, setting: Setting) -> Judgment:
        """Compares an answer with the runs."""
        name = self.reading or setting.measure
        truth = self.truth(runs, setting)
        values = ", ".join(
            f"{arm}: {written(name, FIGURES[name].read(runs[arm]), classifies=setting.classifies)}"
            for arm in setting.arms
        )
        return Judgment(answer == truth, f"It was “{truth}” ({values}).")


class Answer(BaseModel):
    """One of the answers to choose from, and what must hold in the runs for it to be right; nothing: if no other is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=1)
    when: tuple[Claim, ...] = ()


class Answers(_Question):
    """Which of these statements is true?"""

    answers: tuple[Answer, ...] = Field(min_length=2)

    def options(self, setting: Setting) -> list[str]:
        """Returns what one may choose from."""
        return [one.text for one in self.answers]

    def truth(self, runs: Arms, setting: Setting) -> str:
        """Returns the first answer that holds in these runs."""
        found = (
            one.text for one in self.answers if all(claim.holds(runs, setting.measure) for claim in one.when)
        )
        return next(found, self.answers[-1].text)

    def judge(self, answer: Any, runs: Arms, setting: Setting) -> Judgment:
        """Compares an answer with the runs."""
        truth = self.truth(runs, setting)
        return Judgment(answer == truth, f"It was: “{truth}”")


class Draw(_Question):
    """Which course does a curve take? `bottom` and `top` are the ends of the axis that it is drawn on."""

    draw: str
    arm: str
    bottom: float = 0.0
    top: float = 1.0

    def judge(self, answer: Any, runs: Arms, setting: Setting) -> Judgment:
        """Compares a drawn curve, its values at even distances, with the run's."""
        real = runs[self.arm].epochs[self.draw]
        if not len(real) or not np.isfinite(real[-1]):
            return Judgment(None, "The curve left the finite numbers.")
        drawn = resampled(np.asarray(answer, float), len(real))
        name = COLUMNS[self.draw].lower()
        falls = self.draw.endswith("loss")
        where = np.argmin if falls else np.argmax
        best = f"{'lowest' if falls else 'highest'} at epoch"
        return Judgment(
            None,
            f"You drew a {name} that ends at {drawn[-1]:.3g} and is {best} {int(where(drawn)) + 1}; "
            f"it ended at {real[-1]:.3g} and was {best} {int(np.nanargmin(real) if falls else np.nanargmax(real)) + 1}.",
        )


class Read(_Question):
    """What is the value of a figure? Right within `within` of it."""

    read: str
    arm: str
    within: float = Field(gt=0)

    def judge(self, answer: Any, runs: Arms, setting: Setting) -> Judgment:
        """Compares a number with the run's; shares are given in percent."""
        value = FIGURES[self.read].read(runs[self.arm])
        percent = FIGURES[self.read].percent and setting.classifies
        right = abs(float(answer) - (100 * value if percent else value)) <= self.within
        return Judgment(right, f"It was {written(self.read, value, classifies=setting.classifies)}.")


KINDS: Final[Mapping[str, type[BaseModel]]] = {"which": Which, "answers": Answers, "draw": Draw, "read": Read}
"""The kinds of questions by the key that makes a question one of them."""


def kind_of(value: Any) -> str | None:
    """Returns the kind of a question as written in a file."""
    if isinstance(value, BaseModel):
        return next(name for name, kind in KINDS.items() if isinstance(value, kind))
    return next((name for name in KINDS if isinstance(value, dict) and name in value), None)


Question = Annotated[
    Annotated[Which, Tag("which")]
    | Annotated[Answers, Tag("answers")]
    | Annotated[Draw, Tag("draw")]
    | Annotated[Read, Tag("read")],
    Discriminator(kind_of),
]


def resampled(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Returns a curve's values at so many places at even distances, its ends included."""
    return np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(values)), values)


def is_drawn(value: Any) -> bool:
    """Whether a value is a complete drawn curve."""
    return (
        isinstance(value, list)
        and len(value) == POINTS
        and all(isinstance(one, int | float) and math.isfinite(one) for one in value)
    )
