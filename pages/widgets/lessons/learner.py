"""Whoever goes through a lesson on this page: the lesson, how far they are, and how an answer is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.widgets.lessons.address import link_to_lesson
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from trainer.lessons.lesson import Lesson
from trainer.lessons.progress import Progress


@dataclass(frozen=True)
class Learner:
    """A visitor in a lesson."""

    context: PageContext
    lesson: Lesson
    progress: Progress

    def key(self, part: str) -> str:
        """Returns the key of a widget."""
        return f"lesson-{self.lesson.name}-{part}"

    @reporting_errors()
    def keep(self, item: str, value: Any) -> None:
        """Keeps an item of the progress. Where that is refused, a toast says why."""
        self.context.store.save_progress(self.context.owner, self.lesson.name, item, value)

    @reporting_errors()
    def start_over(self) -> None:
        """Forgets what was answered, and goes to the first step. The runs stay."""
        self.context.store.forget_progress(self.context.owner, self.lesson.name)
        for key in [str(key) for key in st.session_state if str(key).startswith(self.key(""))]:
            del st.session_state[key]
        link_to_lesson(self.lesson.name)

    def go_to(self, step: int) -> None:
        """Goes to a step, counted from 1."""
        link_to_lesson(self.lesson.name, step)

    def step_button(self, label: str, step: int, *, primary: bool = True) -> None:
        """Draws the way to a step."""
        st.button(
            label,
            key=self.key(f"to-{step}-{label}"),
            type="primary" if primary else "secondary",
            icon=":material/arrow_forward:",
            icon_position="right",
            on_click=self.go_to,
            args=(step,),
        )
