"""What people request of a run under way. Its worker reads a request between two steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class RequestKind(StrEnum):
    """The kinds of request. The values are what the database and the live connection carry."""

    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    MARK = "mark"  # keep a checkpoint of this step
    CHANGE = "change"  # hot knobs; kept in a table of its own, as there may be several
    INTERRUPT = "interrupt"  # from the machine, not from a person: save and leave; the run continues later

    @property
    def label(self) -> str:
        """What pages show in place of the state until the worker has answered."""
        return _LABELS[self]


_LABELS = {
    RequestKind.STOP: "Stopping…",
    RequestKind.PAUSE: "Pausing…",
    RequestKind.RESUME: "Resuming…",
    RequestKind.MARK: "Marking…",
    RequestKind.CHANGE: "Changing…",
    RequestKind.INTERRUPT: "Interrupting…",
}
_LEAVING = frozenset({RequestKind.STOP, RequestKind.PAUSE, RequestKind.INTERRUPT})


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its kind, and the values that the kind takes. A change has its `number`, the new `values` by flat key, and the
    `step` after which they hold, where an earlier attempt has recorded it; else it may begin `after` a step."""

    kind: RequestKind
    payload: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def leaves(self) -> bool:
        """Whether the loop saves a checkpoint and returns. Otherwise it adjusts the run and trains on."""
        return self.kind in _LEAVING
