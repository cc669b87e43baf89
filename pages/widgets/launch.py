"""Starting runs, whichever button does it: a double click starts once."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

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


@dataclass
class _Last:
    """What a tab has started last: when that was done, and what came of it."""

    what: object = None
    ended: float = -math.inf
    result: Any = None


def start_once(what: object, start: Callable[[], T]) -> T:
    """Calls `start` and returns its result; when this tab has started the same `what` a moment ago, only the result of then.

    A click may be carried out twice: by the browser's message, and by that of a fragment whose time has come just then, in
    another thread, which ends the first one's script. So the second waits, and gets the same to draw.
    """
    last: _Last = st.session_state.setdefault(_STARTED, _Last())
    with (
        _STARTING
    ):  # in here no access to the session: each may end the script, and what has started would not be noted
        if what != last.what or time.monotonic() - last.ended >= DOUBLE_CLICK:
            last.result = start()
            last.what, last.ended = what, time.monotonic()
    return cast("T", last.result)
