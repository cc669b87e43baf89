"""What people read for a run's state, on pages and in live components: each label is written here and nowhere else."""

from __future__ import annotations

from typing import Any, Final

from trainer.store.runs import LIVE

STATES: Final = {
    "queued": "Queued",
    "running": "Training",
    "paused": "Paused",
    "interrupted": "Interrupted",
    "finished": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
    "gone": "Deleted",  # what the live connection reports of a run that is no longer there
}
REQUESTS: Final = {"stop": "Stopping…", "pause": "Pausing…", "resume": "Resuming…"}
"""Shown in place of the state until a running run has answered the request."""


def state_label(status: str, request: str | None = None) -> str:
    """Returns a run's state in words, or what it has just been asked to do."""
    asked = REQUESTS.get(request or "") if status == "running" else None
    return asked or STATES.get(status, status)


def run_states() -> dict[str, Any]:
    """Returns what live components need: `states` {status: {label, over}} and `requests` {request: label}."""
    states = {status: {"label": label, "over": status not in LIVE} for status, label in STATES.items()}
    return {"states": states, "requests": REQUESTS}
