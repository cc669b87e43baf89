"""A question that only torch can answer, on a page: asked once, polled until it is answered, repeated on request after a failure.

The web process never imports torch: it asks the store, and the supervisor has a process answer.
"""

from __future__ import annotations

import logging
from typing import Any

import streamlit as st
from sqlalchemy.exc import DBAPIError

from pages.widgets.markup import problem, waiting
from trainer.lifecycle.states import JobState
from trainer.store import Inspection, Store, StoreError

LOG = logging.getLogger(__name__)
INTERVAL = 0.1  # seconds between two polls; most answers take two or three
WAITING = {
    "ready": "Computing…",
    "starting": "Warming up the trainer… the answer follows in a moment.",
    "absent": "The trainer is not running; the answer follows as soon as it is back.",
}


def inspect(store: Store, kind: str, question: dict[str, Any], place: str = "") -> Inspection:
    """Returns this tab's inspection of a question, and draws what it waits for or why it failed.

    A new question withdraws the tab's previous one of that kind, in the same `place` where a page asks in several.
    """
    name = place + kind
    inspection = _ask(store, kind, question, _key(name))
    if inspection.status is JobState.FAILED:
        _failure(name, inspection)
    elif not inspection.is_over:
        st.fragment(_poll, run_every=INTERVAL)(store, inspection)
    return inspection


def withdraw(store: Store, kind: str) -> None:
    """Withdraws this tab's question of a kind: nobody waits for it any more."""
    _, asked_id = st.session_state.pop(_key(kind), (None, None))
    if _pending(store, asked_id):
        store.withdraw(asked_id)


def _key(name: str) -> str:
    return f"inspection:{name}"


def _ask(store: Store, kind: str, question: dict[str, Any], key: str) -> Inspection:
    """Asks a new question only: a failed one is repeated on request, or a page that reruns would ask indefinitely."""
    asked, asked_id = st.session_state.get(key, (None, None))
    if asked == question:
        try:
            return store.inspection(asked_id)
        except StoreError:  # another tab asked the same and withdrew it, or newer answers replaced it
            asked_id = None
    inspection = store.ask(kind, question, instead_of=asked_id if _pending(store, asked_id) else None)
    st.session_state[key] = (question, inspection.id)
    return inspection


def _pending(store: Store, inspection_id: int | None) -> bool:
    if inspection_id is None:
        return False
    try:
        return not store.inspection(inspection_id).is_over
    except StoreError:
        return False


def _poll(store: Store, inspection: Inspection) -> None:
    """Reruns the page once the question is answered. Until then it draws one line, so that a poll costs next to nothing."""
    try:
        current = store.inspection(inspection.id)
        trainer = store.supervisor_status() if current.status is JobState.QUEUED else "ready"
    except StoreError:  # withdrawn by another tab: ask again
        st.rerun(scope="app")
    except DBAPIError as error:
        LOG.warning("Could not poll inspection %d: %s", inspection.id, error)
        st.html(waiting("The database does not answer just now; trying again…"))
        return
    if current.is_over:
        st.rerun(scope="app")
    st.html(waiting(WAITING[trainer]))


def _failure(name: str, inspection: Inspection) -> None:
    st.html(problem(inspection.message))
    st.button(
        "Try again",
        key=f"{name}-again",
        icon=":material/refresh:",
        on_click=st.session_state.pop,
        args=(_key(name), None),
    )
