"""Starting runs, whichever button does it: a double click starts once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from pages.widgets.chart_selection import show
from trainer.config import RunConfig
from trainer.store import Store

DOUBLE_CLICK = 1.5  # seconds after a start in which starting the same again counts as a double click
_STARTED = "last-start"
T = TypeVar("T")


def launch(store: Store, owner: str, config: RunConfig, notes: str = "") -> int | None:
    """Queues a run and puts it on the chart; returns its id, or None for the second half of a double click."""
    run_id = start_once(config, lambda: store.create_run(config, owner, notes=notes))
    if run_id is not None:
        show(run_id)
    return run_id


def start_once(what: object, start: Callable[[], T]) -> T | None:
    """Calls `start` and returns its result, or None when this tab has started the same `what` a moment ago."""
    last, ended = st.session_state.get(_STARTED, ("", 0.0))
    if what == last and time.monotonic() - ended < DOUBLE_CLICK:
        return None
    result = start()
    st.session_state[_STARTED] = (what, time.monotonic())
    return result
