"""The run that a visitor has pinned as baseline: the others are described by how they differ from it. One for each tab."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.widgets.text import run_title
from trainer.store import Run

_KEY = "baseline"


def pinned(runs: Sequence[Run]) -> Run | None:
    """Returns the baseline, or None where none is pinned or it was deleted."""
    baseline = st.session_state.get(_KEY)
    return next((run for run in runs if run.id == baseline), None)


def is_pinned(run_id: int) -> bool:
    """Whether this run is the baseline."""
    return bool(st.session_state.get(_KEY) == run_id)


def pin(run_id: int) -> None:
    """Makes a run the baseline."""
    st.session_state[_KEY] = run_id


def unpin() -> None:
    """Describes runs by how they differ from the defaults again."""
    st.session_state.pop(_KEY, None)


def reference(runs: Sequence[Run]) -> str:
    """Returns what runs are described against: "the defaults" or "the baseline, Run 2"."""
    baseline = pinned(runs)
    return "the defaults" if baseline is None else f"the baseline, {run_title(baseline)}"
