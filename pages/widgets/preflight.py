"""The section "Before step 1" of the Train page: what the chosen knobs are about to do, computed by the trainer.

The figures need torch, which this process never imports: it asks the store, and the supervisor has a process answer. Until
the answer is there the last figures stay, faint, and a fragment looks for it; nothing on the page waits.
"""

from __future__ import annotations

import logging
from typing import Any

import streamlit as st
from sqlalchemy.exc import DBAPIError

from pages.widgets.page_context import PageContext
from pages.widgets.preflight_view import draw
from pages.widgets.text import escape_html, escape_markdown
from trainer.config import RunConfig
from trainer.lifecycle.states import JobState
from trainer.preflight.dry_run import question_of
from trainer.store import Inspection, Store, StoreError

LOG = logging.getLogger(__name__)
INTERVAL = 0.1  # seconds between two looks for the answer, which most often takes two or three
WAITING = {
    "ready": "Computing…",
    "starting": "Warming up the trainer… the figures follow in a moment.",
    "absent": "The trainer is not running; the figures follow as soon as it is back.",
}
_ASKED, _ANSWER = "before:asked", "before:answer"


def before_section(context: PageContext, *, ready: bool) -> None:
    """Draw the section. Closed, it costs nothing: it asks only once it is opened."""
    section = st.expander(
        "Before step 1: activations, gradients, memory, samples",
        key="before",
        on_change="rerun",
    )
    if not section.open:
        _move_on(context.store)
        return
    with section:
        config = context.knobs.config
        if config is None:
            _quiet("Shown once the knobs fit together.")
        elif not ready:
            _quiet("Shown once the data set is here.")
        else:
            _show(context.store, config, _asked(context.store, question_of(config)))


def _asked(store: Store, question: dict[str, Any]) -> Inspection:
    """The row of this question. A new question withdraws the one before it; one that failed is asked again on request
    only, or a page that redraws itself would ask for ever."""
    last, last_id = st.session_state.get(_ASKED, (None, None))
    if last == question:
        try:
            return store.inspection(last_id)
        except StoreError:  # withdrawn by somebody who asked the same and moved on, or long ago
            last_id = None
    asked = store.ask("before", question, instead_of=last_id if _pending(store, last_id) else None)
    st.session_state[_ASKED] = (question, asked.id)
    return asked


def _pending(store: Store, inspection_id: int | None) -> bool:
    if inspection_id is None:
        return False
    try:
        return not store.inspection(inspection_id).is_over
    except StoreError:
        return False


def _move_on(store: Store) -> None:
    """The section was closed: nobody waits for its last question any more."""
    _, last_id = st.session_state.pop(_ASKED, (None, None))
    if _pending(store, last_id):
        store.withdraw(last_id)


def _show(store: Store, config: RunConfig, asked: Inspection) -> None:
    """The answer; until it is there the last figures, faint, so that the page does not jump, or the outline of figures.

    The fragment that looks for the answer draws a line alone, so that a look costs next to nothing.
    """
    st.fragment(_look, run_every=None if asked.is_over else INTERVAL)(store, asked)
    if asked.is_over:
        _result(asked, config)
    elif _ANSWER in st.session_state:
        with st.container(key="before-stale"):
            draw(st.session_state[_ANSWER], config)
    else:
        st.skeleton(height=320)


def _look(store: Store, asked: Inspection) -> None:
    """One look for the answer: redraws the page once it is there, says what it waits for until then."""
    if asked.is_over:
        st.html(
            '<p class="tp-quiet">One batch through the first weights; no step is taken. Follows the knobs.</p>'
        )
        return
    try:
        now = store.inspection(asked.id)
        supervisor = store.supervisor_status() if now.status is JobState.QUEUED else "ready"
    except StoreError:  # withdrawn by another asker: ask again
        st.rerun(scope="app")
    except DBAPIError as error:
        LOG.warning("Could not look for an answer: %s", error)
        _waiting("The database does not answer just now; trying again…")
        return
    if now.is_over:
        st.rerun(scope="app")
    _waiting(WAITING[supervisor])


def _result(asked: Inspection, config: RunConfig) -> None:
    """The figures, or why there are none."""
    if asked.status is JobState.FINISHED:
        st.session_state[_ANSWER] = asked.answer
        with st.container(key="before-fresh"):
            draw(asked.answer, config)
        return
    st.session_state.pop(_ANSWER, None)
    st.error(escape_markdown(asked.message), icon=":material/error:")
    st.button(
        "Try again",
        key="before-again",
        icon=":material/refresh:",
        on_click=st.session_state.pop,
        args=(_ASKED, None),
    )


def _quiet(sentence: str) -> None:
    st.html(f'<p class="tp-quiet">{escape_html(sentence)}</p>')


def _waiting(sentence: str) -> None:
    st.html(f'<p class="tp-waiting" role="status"><i></i>{escape_html(sentence)}</p>')
