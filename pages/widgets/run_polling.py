"""Runs change state by themselves: pages follow, and ask for changes of their own."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import streamlit as st
from sqlalchemy.exc import DBAPIError

from pages.widgets.diagnosis_cache import verdict
from pages.widgets.text import escape_html, escape_markdown
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState
from trainer.settings import get_settings
from trainer.store import Run, Store, StoreError

LOG = logging.getLogger(__name__)
INTERVAL = 0.5  # seconds between two looks for a change of state; curves come by another way
LITTLE_SPACE = 64 * 2**20  # bytes; a checkpoint of a large model with its optimizer may be larger than this


@contextmanager
def telling() -> Iterator[None]:
    """Around what a click does to the store, or as its decorator: a run that another tab has ended or deleted
    meanwhile, and a database that does not answer, are a message over the page instead of an error in its place."""
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


@telling()
def ask(store: Store, run_id: int, kind: RequestKind) -> None:
    """Ask a run to stop, pause or resume; where it ended by itself in the meantime, say so."""
    if kind is RequestKind.RESUME:
        store.resume(run_id)
    else:
        store.request(run_id, kind)


def watch_states(store: Store, runs: Sequence[Run], *, waiting: bool = True) -> None:
    """While a run is active, look for changes of state and redraw the page on one; say what a queued run waits for."""
    active = any(not run.is_over and run.status is not RunState.PAUSED for run in runs)
    states, owners = _states(store, runs), {run.owner for run in runs}

    def look() -> None:
        try:
            live = [run for run in store.live() if run.owner in owners]
        except DBAPIError:  # the next look may find it again
            st.html(
                '<p class="tp-quiet" role="status">The database does not answer just now; trying again…</p>'
            )
            return
        if _states(store, live) != states:
            st.rerun(scope="app")
        if waiting:
            _waiting(store, live)
        if active:
            _space()

    st.fragment(look, run_every=INTERVAL if active else None)()


def _states(store: Store, runs: Sequence[Run]) -> frozenset[tuple[Any, ...]]:
    """What a page shows of the runs under way, the names of what is wrong with them included."""
    return frozenset(
        (run.id, run.status, run.request, tuple(finding.name for finding in verdict(store, run).findings))
        for run in runs
        if not run.is_over
    )


def _waiting(store: Store, live: Sequence[Run]) -> None:
    queued = [run for run in live if run.status is RunState.QUEUED]
    if not queued:
        return
    if store.supervisor_status() != "ready":
        text = "Warming up the trainer… the first run starts in a moment."
    else:
        ahead = [run.id for run in store.queued()].index(queued[0].id) if queued[0] in store.queued() else 0
        text = "Starting…" if not ahead else f"Waiting for a free worker: {ahead} before this one."
    st.html(f'<p class="tp-waiting" role="status"><i></i>{escape_html(text)}</p>')


def _space() -> None:
    """On a full disk training waits, so the curves stand still: say why before and while they do."""
    home = get_settings().home
    with suppress(OSError):
        free = shutil.disk_usage(home).free
        if free < LITTLE_SPACE:
            st.warning(
                f"{free / 2**20:.0f} MiB are left on the disk of {escape_markdown(home)}. When it is full, runs wait and "
                "their curves stand still; nothing is lost. Free some space, and they go on by themselves.",
                icon=":material/hard_drive:",
            )
