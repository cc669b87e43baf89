"""The section "Before step 1" of the Train page: what the first batch meets with the chosen knobs, computed by the trainer."""

from __future__ import annotations

import streamlit as st

from pages.widgets.inspection import inspect, withdraw
from pages.widgets.markup import quiet
from pages.widgets.page_context import PageContext
from pages.widgets.preflight_view import draw
from trainer.config import RunConfig
from trainer.lifecycle.states import JobState
from trainer.preflight.dry_run import question_of
from trainer.store import Store

KIND = "before"
_ANSWER = "before:answer"


def preflight_section(context: PageContext, *, ready: bool) -> None:
    """Draws the section. Closed, it costs nothing: it asks only once it is opened."""
    section = st.expander(
        "Before step 1: activations, gradients, memory, samples", key="before", on_change="rerun"
    )
    if not section.open:
        withdraw(context.store, KIND)
        return
    config = context.knobs.config
    with section:
        if config is None:
            st.html(quiet("Shown once the knobs fit together."))
        elif not ready:
            st.html(quiet("Shown once the data set is available."))
        else:
            _figures(context.store, config)


def _figures(store: Store, config: RunConfig) -> None:
    """Draws the answer; while it is computed, the previous one faded, so that the page does not jump."""
    inspection = inspect(store, KIND, question_of(config))
    if inspection.status is JobState.FINISHED:
        st.html(quiet("One batch through the first weights; no step is taken. Follows the knobs."))
        st.session_state[_ANSWER] = inspection.answer
        with st.container(key="before-fresh"):
            draw(inspection.answer, config)
    elif inspection.status is JobState.FAILED:
        st.session_state.pop(_ANSWER, None)
    elif _ANSWER in st.session_state:
        with st.container(key="before-stale"):
            draw(st.session_state[_ANSWER], config)
    else:
        st.skeleton(height=320)
