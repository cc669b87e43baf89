"""How far somebody is with a lesson: what they answered, and which runs they trained for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from trainer.lessons.lesson import STEPS, Lesson
from trainer.lessons.questions import Draw, Question, is_drawn

COMPARISON: Final = "comparison"
STEP: Final = "step"
MAX_TRIES: Final = 50


def answer_item(part: str, number: int) -> str:
    """Returns the item that keeps the answer to a question of "prediction" or "checkpoint", counted from 0."""
    return f"{part}-{number + 1}"


def try_item(number: int) -> str:
    """Returns the item that keeps the run of a try, counted from 0."""
    return f"try-{number + 1}"


@dataclass(frozen=True)
class Progress:
    """Somebody's items of one lesson, as the store keeps them. Those that a changed lesson does not know count for nothing."""

    lesson: Lesson
    items: Mapping[str, Any]

    def answers(self, part: str) -> list[Any]:
        """Returns the answers to the questions of a part, None for those without a valid one."""
        questions = self.lesson.predictions if part == "prediction" else self.lesson.checkpoints
        return [
            value if valid(self.lesson, question, value) else None
            for number, question in enumerate(questions)
            for value in (self.items.get(answer_item(part, number)),)
        ]

    @property
    def has_predicted(self) -> bool:
        """Whether every prediction is made."""
        return None not in self.answers("prediction")

    @property
    def comparison(self) -> int | None:
        """The comparison that was trained for it."""
        value = self.items.get(COMPARISON)
        return value if isinstance(value, int) else None

    @property
    def tries(self) -> list[int]:
        """The runs of "now you", oldest first."""
        values = (self.items.get(try_item(number)) for number in range(MAX_TRIES))
        return [value for value in values if isinstance(value, int)]

    @property
    def step(self) -> int:
        """The furthest step reached, counted from 1; 0 before the first."""
        value = self.items.get(STEP, 0)
        return min(value, len(STEPS)) if isinstance(value, int) else 0

    @property
    def is_finished(self) -> bool:
        """Whether all is answered."""
        return self.has_predicted and self.comparison is not None and None not in self.answers("checkpoint")


def valid(lesson: Lesson, question: Question, value: Any) -> bool:
    """Whether a value is an answer to a question."""
    if isinstance(question, Draw):
        return is_drawn(value)
    if hasattr(question, "options"):
        return value in question.options(lesson.setting)
    return isinstance(value, int | float) and not isinstance(value, bool)
