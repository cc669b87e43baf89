"""The list of lessons by family: what each asks, how long it takes, and how far the visitor is."""

from __future__ import annotations

from itertools import groupby

import streamlit as st

from pages.widgets.lessons.address import link_to_lesson
from pages.widgets.markup import quiet, state_pill
from pages.widgets.page_context import PageContext
from pages.widgets.page_parts import heading, way_back
from pages.widgets.text import escape_html
from trainer.lessons.lesson import STEPS, Lesson
from trainer.lessons.progress import Progress
from trainer.lessons.shelf import lessons


def overview(context: PageContext) -> None:
    """Draws the list."""
    heading(
        "Lessons",
        "Each asks a question. You predict, train the runs that answer it, and see why. No run takes long.",
    )
    kept = context.store.lesson_progress(context.owner)
    progress = {name: Progress(lesson, kept.get(name, {})) for name, lesson in lessons().items()}
    finished = sum(one.is_finished for one in progress.values())
    if finished:
        st.progress(finished / len(progress), text=f"{finished} of {len(progress)} lessons finished")
    for family, members in groupby(lessons().values(), key=lambda one: one.family_label):
        st.html(f'<h2 class="tp-title">{escape_html(family)}</h2>')
        for lesson in members:
            _card(lesson, progress[lesson.name])


def _card(lesson: Lesson, progress: Progress) -> None:
    with st.container(
        border=True, key=f"lesson-card-{lesson.name}", horizontal=True, vertical_alignment="center"
    ):
        state, words = _state(progress)
        st.html(
            f'<h3 class="tp-title tp-first">{escape_html(lesson.title)}</h3><p class="tp-line">{escape_html(lesson.question)}</p>'
            f'<p class="tp-quiet">{lesson.minutes} minutes · {len(lesson.configs)} runs · {state_pill(state, words)}</p>',
            width="stretch",
        )
        begun = progress.step > 0
        st.button(
            "Look again" if progress.is_finished else "Continue" if begun else "Begin",
            key=f"lesson-open-{lesson.name}",
            type="primary" if begun and not progress.is_finished else "secondary",
            help=f"Open the lesson “{lesson.title}”.",
            on_click=link_to_lesson,
            args=(lesson.name, 1 if progress.is_finished else max(progress.step, 1)),
        )


def _state(progress: Progress) -> tuple[str, str]:
    if progress.is_finished:
        return "finished", "Finished"
    if progress.step:
        return "paused", f"At step {progress.step} of {len(STEPS)}: {STEPS[progress.step - 1]}"
    return "stopped", "Not begun"


def unknown_lesson(sentence: str) -> None:
    """Draws what stands in place of a lesson that the address names and that does not exist."""
    st.html(quiet(sentence))
    back_to_lessons()


def back_to_lessons() -> None:
    """Draws the way from a lesson to the list."""
    way_back("All lessons", "lesson-back", link_to_lesson)
