"""All lessons of this folder, in the order of a course."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from trainer.choice import unknown
from trainer.lazy import lazy
from trainer.lessons.lesson import RECIPE, Lesson, LessonError
from trainer.registry import families

files = lazy("trainer.lessons.files")  # parsers, which the first page does not need
FOLDER: Final = Path(__file__).parent


@cache
def lessons() -> Mapping[str, Lesson]:
    """Returns the lessons by name, those of a family together. Raises LessonError where a file is wrong."""
    order = [*_course(), RECIPE]
    found = [files.read_lesson(path) for path in sorted(FOLDER.glob("*.md"))]
    return {one.name: one for one in sorted(found, key=lambda one: order.index(one.family))}


def find_lesson(name: str) -> Lesson:
    """Returns the lesson called `name`. Raises LessonError where there is none."""
    if name not in lessons():
        raise LessonError(unknown("lesson", name, lessons()))
    return lessons()[name]


def _course() -> list[str]:
    """What comes first in training comes first: weights, norms, the optimizer and its rate; then what keeps it honest."""
    first = ["initialization", "normalization", "model", "optimizer", "schedule", "clipping", "precision"]
    return [*first, *(name for name in families() if name not in first)]
