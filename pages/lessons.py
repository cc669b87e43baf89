"""The Lessons page: the list, and one lesson where the address names one (`?lesson=dropout&step=3`)."""

from __future__ import annotations

from pages.widgets.lessons.address import linked_lesson
from pages.widgets.lessons.overview import overview, unknown_lesson
from pages.widgets.lessons.view import lesson_view
from pages.widgets.page_context import PageContext
from trainer.lessons import LessonError
from trainer.lessons.shelf import find_lesson


def page(context: PageContext) -> None:
    """Draws one lesson, where the address names one, or the list."""
    name = linked_lesson()
    if name is None:
        overview(context)
        return
    try:
        lesson = find_lesson(name)
    except LessonError as error:
        unknown_lesson(str(error))
        return
    lesson_view(context, lesson)
