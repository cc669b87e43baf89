"""The run that the address names (`?run=7`), so that a link can lead to one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from trainer.store import Run

PARAMETER = "run"


def linked_run(runs: Sequence[Run]) -> Run | None:
    """Returns the run among `runs` that the address names."""
    named = link_target()
    return next((run for run in runs if str(run.id) == named), None)


def link_target() -> str | None:
    """Returns what the address names, which may be a run that was deleted or belongs to somebody else."""
    named: Any = st.query_params.get(PARAMETER)
    return None if named is None else str(named)


def link_to(run_id: int | None) -> None:
    """Puts a run into the address, or removes what it names."""
    if run_id is None:
        st.query_params.pop(PARAMETER, None)
    else:
        st.query_params[PARAMETER] = str(run_id)
