"""Starting runs, whichever button does it: a double click starts once."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar, cast

import streamlit as st

from pages.widgets.chart_selection import show
from trainer.config import RunConfig
from trainer.store import Store

DOUBLE_CLICK = 1.5  # seconds after a start in which starting the same again counts as a double click
_STARTED = "last-start"
_STARTING = threading.Lock()
T = TypeVar("T")


def launch(store: Store, owner: str, config: RunConfig, notes: str = "") -> int:
    """Queues a run, puts it on the chart, and returns its id."""
    run_id = start_once(config, lambda: store.create_run(config, owner, notes=notes))
    show(run_id)
    return run_id


def start_once(what: object, start: Callable[[], T]) -> T:
    """Calls `start` and returns its result; when this tab has started the same `what` a moment ago, only the result of then.

    The second half of a double click may come in another thread while the first still starts, and stop the script that would
    draw what has started: so it waits, and gets the same to draw.
    """
    with _STARTING:
        last, ended, result = st.session_state.get(_STARTED, ("", -math.inf, None))
        if what != last or time.monotonic() - ended >= DOUBLE_CLICK:
            result = start()
            st.session_state[_STARTED] = (what, time.monotonic(), result)
    return cast("T", result)
