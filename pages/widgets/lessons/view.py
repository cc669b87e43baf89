"""One lesson: its heading, the steps to choose from, the step itself, and the way to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import streamlit as st

from pages.widgets.lessons.address import linked_step
from pages.widgets.lessons.asking import checkpoint_step, prediction_step
from pages.widgets.lessons.learner import Learner
from pages.widgets.lessons.overview import back_to_lessons
from pages.widgets.lessons.reveal import reveal_step
from pages.widgets.lessons.training import run_step
from pages.widgets.lessons.tries import now_you_step
from pages.widgets.markup import facts_list, quiet
from pages.widgets.page_context import PageContext
from pages.widgets.text import escape_html
from pages.widgets.worked_example import worked_example
from trainer.lessons.lesson import STEPS, Lesson
from trainer.lessons.progress import STEP, Progress
from trainer.registry import families
from trainer.store import StoreError


def lesson_view(context: PageContext, lesson: Lesson) -> None:
    """Draws the step that the address names."""
    items = context.store.lesson_progress(context.owner).get(lesson.name, {})
    learner = Learner(context, lesson, Progress(lesson, items))
    number = linked_step()
    if number > learner.progress.step:
        # In a space that they may only look at, or that is archived, somebody looks without leaving a trace.
        with suppress(StoreError):
            context.store.save_progress(context.owner, lesson.name, STEP, number)
    _heading(learner)
    _steps(learner, number)
    with st.container(key="lesson-step"):
        DRAW[STEPS[number - 1]](learner)
    _ways(learner, number)


def _heading(learner: Learner) -> None:
    back_to_lessons()
    lesson = learner.lesson
    st.html(
        f'<h1 class="tp-page">{escape_html(lesson.title)}</h1><p class="tp-quiet">{escape_html(lesson.question)} '
        f"About {lesson.minutes} minutes.</p>"
    )


def _steps(learner: Learner, number: int) -> None:
    """Draws the steps as a row to choose from."""
    key = learner.key("step")
    st.session_state[key] = number
    st.segmented_control(
        f"Step {number} of {len(STEPS)}",
        range(1, len(STEPS) + 1),
        format_func=lambda one: f"{one} {STEPS[one - 1].capitalize()}",
        key=key,
        on_change=lambda: learner.go_to(st.session_state[key] or number),
    )


def _ways(learner: Learner, number: int) -> None:
    with st.container(horizontal=True, gap="small", key="lesson-ways"):
        if number > 1:
            st.button(
                "Back", key=learner.key("previous"), icon=":material/arrow_back:", on_click=learner.go_to,
                args=(number - 1,), help=f"Back to: {STEPS[number - 2]}.",
            )  # fmt: skip
        if number < len(STEPS):
            st.button(
                f"Next: {STEPS[number]}", key=learner.key("next"), icon=":material/arrow_forward:", icon_position="right",
                on_click=learner.go_to, args=(number + 1,), help="Go on to the next step.",
            )  # fmt: skip
        if learner.progress.items:
            st.button(
                "Start over", key=learner.key("over"), type="tertiary", icon=":material/restart_alt:",
                on_click=learner.start_over, help="Forget your answers in this lesson. Your runs stay on the Runs page.",
            )  # fmt: skip


def _question_step(learner: Learner) -> None:
    lesson = learner.lesson
    st.markdown(lesson.sections["Question"])
    config = next(iter(lesson.configs.values()))
    st.html(
        facts_list(
            {
                "Data": config.technique("data").label,
                "Network": config.technique("model").label,
                "Runs": ", ".join(lesson.configs),
            }
        )
    )


def _why_step(learner: Learner) -> None:
    st.markdown(learner.lesson.sections["Why"])
    for name in learner.lesson.examples:
        family, _, technique = name.partition(".")
        worked_example(learner.context, families()[family][technique])
    if not learner.lesson.examples:
        st.html(quiet("The Reference page has a worked example of each technique."))


DRAW: Final[Mapping[str, Callable[[Learner], None]]] = {
    "question": _question_step,
    "prediction": prediction_step,
    "run": run_step,
    "reveal": reveal_step,
    "why": _why_step,
    "now you": now_you_step,
    "checkpoint": checkpoint_step,
}
