"""Runs change state by themselves: pages follow them, and send requests of their own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import streamlit as st
from sqlalchemy.exc import DBAPIError

from pages.server.live_runs import LiveRuns, free_space, live_runs
from pages.widgets.diagnosis_cache import diagnosis_of
from pages.widgets.markup import waiting, warning
from pages.widgets.page_context import PageContext
from pages.widgets.text import escape_markdown
from trainer.config import ConfigError
from trainer.formatting import format_bytes
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState
from trainer.settings import get_settings
from trainer.store import Run, Store, StoreError

LOG = logging.getLogger(__name__)
INTERVAL = 1.0  # seconds between two polls of the states; curves and progress come over the WebSocket
LOW_DISK_SPACE = 64_000_000  # bytes; a checkpoint of a large model with its optimizer may be larger than this


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Shows errors of the store and of a configuration as a toast instead of in place of the page. Wraps or decorates what a
    click does: another tab may have ended or deleted the run meanwhile, and the database may not answer."""
    try:
        yield
    except (StoreError, ConfigError) as error:
        st.toast(escape_markdown(error), icon=":material/info:")
    except DBAPIError as error:
        LOG.warning("A click could not be carried out: %s", error)
        st.toast(
            "The database cannot be written to just now, so this was not done. Try again in a moment.",
            icon=":material/cloud_off:",
            duration="long",
        )


@reporting_errors()
def send_request(context: PageContext, run_id: int, kind: RequestKind) -> None:
    """Asks a run to "stop", "pause" or "resume"; shows a toast when it has ended by itself meanwhile."""
    if kind is RequestKind.RESUME:
        context.store.resume(run_id, by=context.owner)
    else:
        context.store.request(run_id, kind, by=context.owner)


def poll_states(
    context: PageContext,
    runs: Sequence[Run],
    *,
    show_queue: bool = True,
    each: Callable[[Sequence[Run]], None] | None = None,
) -> None:
    """Reruns the page when a run changes state, polling only while one of those that it shows is active; shows what
    queued runs wait for, and what `each` poll draws of the visitor's runs that are not over. All tabs read one answer of
    the server (`LiveRuns`)."""
    store, live = context.store, live_runs()
    spaces = set(context.spaces)
    active = any(run.status in (RunState.QUEUED, RunState.RUNNING, RunState.INTERRUPTED) for run in runs)
    drawn = {run.id: run for run in runs if not run.is_over}
    stamp = store.change_stamp()  # the answer must not be older than what the page has drawn
    others = {run.id: run for run in live.of(spaces, at_least=stamp) if run.id not in drawn}
    states = _states(store, [*drawn.values(), *others.values()])

    def poll() -> None:
        try:
            now = live.of(spaces, at_least=stamp)
            reason = _reason(live, [run for run in now if run.owner == context.owner]) if show_queue else ""
        except DBAPIError:  # the next poll may succeed
            st.html(waiting("The database does not answer just now; trying again…"))
            return
        if _states(store, now) != states:
            st.rerun(scope="app")
        if each is not None:
            each([run for run in now if run.owner == context.owner])
        if reason:
            st.html(waiting(reason))
        if active:
            _disk_space()

    st.fragment(poll, run_every=INTERVAL if active else None)()


def _reason(live: LiveRuns, runs: Sequence[Run]) -> str:
    """Returns what those of these runs that are queued wait for; nothing where none is."""
    queued = [run.id for run in runs if run.status is RunState.QUEUED]
    return live.queue().reason(queued) if queued else ""


def _states(store: Store, runs: Sequence[Run]) -> frozenset[tuple[Any, ...]]:
    """Returns what a page shows of the runs under way, the names of their findings included."""
    return frozenset(
        (
            run.id,
            run.status,
            run.request,
            run.changes,
            tuple(one.name for one in diagnosis_of(store, run).findings),
        )
        for run in runs
    )


def _disk_space() -> None:
    """Warns before the disk is full and while it is: training waits then, so the curves stop."""
    free = free_space()
    if free is not None and free < LOW_DISK_SPACE:
        st.html(
            warning(
                f"{format_bytes(free)} is left on the disk that holds {get_settings().home}. "
                "When it is full, runs wait; nothing is lost. Free some space, and they continue by themselves."
            )
        )
