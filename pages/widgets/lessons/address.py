"""The lesson and step that the address names (`?lesson=dropout&step=3`), so that a link can lead to one."""

from __future__ import annotations

import streamlit as st

from trainer.lessons.lesson import STEPS

LESSON, STEP = "lesson", "step"


def linked_lesson() -> str | None:
    """Returns the name in the address, or None where there is none."""
    return str(st.query_params.get(LESSON, "")) or None


def linked_step() -> int:
    """Returns the step in the address, counted from 1; the first where there is none."""
    named = str(st.query_params.get(STEP, ""))
    number = int(named) if named.isascii() and named.isdecimal() and len(named) < 4 else 1
    return min(max(number, 1), len(STEPS))


def link_to_lesson(name: str | None, step: int = 1) -> None:
    """Puts a lesson's step into the address, or removes what it names."""
    if name is None:
        st.query_params.pop(LESSON, None)
        st.query_params.pop(STEP, None)
    else:
        st.query_params.update({LESSON: name, STEP: str(step)})
