"""Runs change state by themselves: pages follow them, and send requests of their own."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import streamlit as st
from sqlalchemy.exc import DBAPIError

from pages.widgets.diagnosis_cache import diagnosis_of
from pages.widgets.markup import waiting
from pages.widgets.text import escape_markdown
from trainer.formatting import format_bytes
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState
from trainer.settings import get_settings
from trainer.store import Run, Store, StoreError

LOG = logging.getLogger(__name__)
INTERVAL = 0.5  # seconds between two polls of the states; curves come over the WebSocket
LOW_DISK_SPACE = 64_000_000  # bytes; a checkpoint of a large model with its optimizer may be larger than this


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Shows errors of the store as a toast instead of in place of the page. Wraps or decorates what a click does: another
    tab may have ended or deleted the run meanwhile, and the database may not answer."""
    try:
        yield
    except StoreError as error:
        st.toast(escape_markdown(error), icon=":material/info:")
    except DBAPIError as error:
        LOG.warning("A click could not be carried out: %s", error)
        st.toast(
            "The database cannot be written to just now, so this was not done. Try again in a moment.",
            icon=":material/cloud_off:",
            duration="long",
        )


@reporting_errors()
def send_request(store: Store, run_id: int, kind: RequestKind) -> None:
    """Asks a run to "stop", "pause" or "resume"; shows a toast when it has ended by itself meanwhile."""
    if kind is RequestKind.RESUME:
        store.resume(run_id)
    else:
        store.request(run_id, kind)


def poll_states(store: Store, runs: Sequence[Run], *, show_queue: bool = True) -> None:
    """Reruns the page when a run changes state, polling only while one is active; shows what a queued run waits for."""
    active = any(run.status in (RunState.QUEUED, RunState.RUNNING, RunState.INTERRUPTED) for run in runs)
    states, owners = _states(store, runs), {run.owner for run in runs}

    def poll() -> None:
        try:
            live = [run for run in store.live() if run.owner in owners]
        except DBAPIError:  # the next poll may succeed
            st.html(waiting("The database does not answer just now; trying again…"))
            return
        if _states(store, live) != states:
            st.rerun(scope="app")
        if show_queue:
            _queue(store, live)
        if active:
            _disk_space()

    st.fragment(poll, run_every=INTERVAL if active else None)()


def _states(store: Store, runs: Sequence[Run]) -> frozenset[tuple[Any, ...]]:
    """Returns what a page shows of the runs under way, the names of their findings included."""
    return frozenset(
        (run.id, run.status, run.request, tuple(one.name for one in diagnosis_of(store, run).findings))
        for run in runs
        if not run.is_over
    )


def _queue(store: Store, live: Sequence[Run]) -> None:
    """Shows what the visitor's first queued run waits for."""
    queued = [run for run in live if run.status is RunState.QUEUED]
    if not queued:
        return
    if store.supervisor_status() != "ready":
        text = "Warming up the trainer… the first run starts in a moment."
    else:
        order = [run.id for run in store.queued()]
        ahead = order.index(queued[0].id) if queued[0].id in order else 0
        text = "Starting…" if not ahead else f"Waiting for a free worker: {ahead} before this one."
    st.html(waiting(text))


def _disk_space() -> None:
    """Warns before the disk is full and while it is: training waits then, so the curves stop."""
    home = get_settings().home
    with suppress(OSError):
        free = shutil.disk_usage(home).free
        if free < LOW_DISK_SPACE:
            st.warning(
                f"{format_bytes(free)} are left on the disk of {escape_markdown(home)}. When it is full, runs wait; "
                "nothing is lost. Free some space, and they continue by themselves.",
                icon=":material/hard_drive:",
            )
