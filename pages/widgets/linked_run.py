"""The runs that the address names (`?run=7`, `?run=7,9`), so that a link can lead to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from trainer.store import Run

PARAMETER = "run"
SEVERAL = "runs-several"
"""Key of the toggle with which several runs are selected."""
MAX_LINKED = 100
"""Runs that an address names, at most: browsers and chats cut long ones."""


def linked_runs(runs: Sequence[Run]) -> list[Run]:
    """Returns those among `runs` that the address names."""
    named = (link_target() or "").split(",")[:MAX_LINKED]
    return [run for run in runs if str(run.id) in named]


def linked_run(runs: Sequence[Run]) -> Run | None:
    """Returns the run among `runs` that the address names, the first of several."""
    return next(iter(linked_runs(runs)), None)


def link_target() -> str | None:
    """Returns what the address names, which may be a run that was deleted or belongs to somebody else."""
    named: Any = st.query_params.get(PARAMETER)
    return None if named is None else str(named)


def link_to(*run_ids: int) -> None:
    """Puts runs into the address, or without any removes what it names."""
    if not run_ids:
        st.query_params.pop(PARAMETER, None)
    else:
        st.query_params[PARAMETER] = ",".join(map(str, run_ids[:MAX_LINKED]))
