"""What live components need to know of run states and requests: the labels of trainer/lifecycle, as data."""

from __future__ import annotations

from typing import Any

from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState
from trainer.store import Run

GONE = {
    "gone": {"label": "Deleted", "over": True}
}  # what the live connection reports of a run that is no longer there


def state_label(run: Run) -> str:
    """Returns a run's state in words, or the request that its worker has yet to carry out."""
    return run.request.label if run.request and run.status is RunState.RUNNING else run.status.label


def run_states() -> dict[str, Any]:
    """Returns `states` {state: {label, over}} and `requests` {kind: label}."""
    states = {state.value: {"label": state.label, "over": state.is_over} for state in RunState}
    return {"states": states | GONE, "requests": {kind.value: kind.label for kind in RequestKind}}
