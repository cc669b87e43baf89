"""Starting a run, from whichever button."""

from __future__ import annotations

import time

import streamlit as st

from pages.widgets.chart_selection import show
from trainer.config import RunConfig
from trainer.store import Store

DOUBLE_CLICK = 1.5  # seconds in which a second start with the same knobs is taken for one click too many


def launch(store: Store, owner: str, config: RunConfig, notes: str = "") -> int | None:
    """Queue a run and put it on the axes; its id, or None for the second half of a double click."""
    now = time.monotonic()
    before, at = st.session_state.get("started", (None, 0.0))
    if config == before and now - at < DOUBLE_CLICK:
        return None
    run_id = store.create_run(config, owner, notes=notes)
    st.session_state["started"] = (config, now)
    show(run_id)
    return run_id
