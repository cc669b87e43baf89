"""Starting runs, whichever button does it: a double click starts once."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from pages.widgets.chart_selection import show
from trainer.config import RunConfig
from trainer.store import Store

DOUBLE_CLICK = 1.5  # seconds after a start in which starting the same again counts as a double click
_STARTED = "last-start"
_CLAIMING = threading.Lock()
T = TypeVar("T")


def launch(store: Store, owner: str, config: RunConfig, notes: str = "") -> int | None:
    """Queues a run and puts it on the chart; returns its id, or None for the second half of a double click."""
    run_id = start_once(config, lambda: store.create_run(config, owner, notes=notes))
    if run_id is not None:
        show(run_id)
    return run_id


def start_once(what: object, start: Callable[[], T]) -> T | None:
    """Calls `start` and returns its result, or None when this tab is starting the same `what` or has a moment ago."""
    with _CLAIMING:  # the second half of a double click may come in another thread, before the first is done
        last, ended = st.session_state.get(_STARTED, ("", 0.0))
        if what == last and time.monotonic() - ended < DOUBLE_CLICK:
            return None
        st.session_state[_STARTED] = (what, math.inf)
    ended = 0.0  # after a failure the same may be tried at once
    try:
        result = start()
        ended = time.monotonic()
    finally:
        st.session_state[_STARTED] = (what, ended)
    return result
