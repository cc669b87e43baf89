"""What the hub keeps of each viewer and of each watched run."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from trainer.curves import deltas as live
from trainer.health.messages import Seen

QUEUE_BYTES: Final = 256 * 1024

Cursors = dict[str, int]


@dataclass
class HealthWatch:
    """The one run whose health a viewer watches, and how far it is; `due` when something may be new to tell."""

    run: int
    seen: Seen
    due: bool = True
    changed: bool = False
    told_at: float = 0.0


@dataclass(eq=False)
class Viewer:
    """One connection: what it watches, and what waits to be sent to it."""

    runs: frozenset[int] = frozenset()
    points: dict[str, dict[str, int]] = field(default_factory=lambda: live.budget(1))
    cursors: dict[int, Cursors] = field(default_factory=dict)
    queue: deque[bytes] = field(default_factory=deque)
    queued: int = 0
    statuses: dict[int, str] = field(default_factory=dict)
    wanted: OrderedDict[int, None] = field(default_factory=OrderedDict)
    lagging: OrderedDict[int, None] = field(default_factory=OrderedDict)
    introduced: set[int] = field(default_factory=set)
    requests: deque[Callable[[], Any]] = field(default_factory=lambda: deque(maxlen=16))
    health: HealthWatch | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def waits_for_something(self) -> bool:
        """Whether there is a message to send or to make."""
        health = self.health is not None and self.health.due
        return bool(self.statuses or self.queue or self.wanted or self.lagging or self.requests or health)

    def offer(self, run: int, message: bytes, spans: dict[str, tuple[int, int]]) -> None:
        """Queue a delta, unless this viewer is behind: then remember only that it is."""
        cursors = self.cursors.get(run)
        if cursors is None or run in self.wanted:
            return
        behind = any(cursors[kind] < after for kind, (after, _) in spans.items())
        if behind or run in self.lagging or self.queued > QUEUE_BYTES:
            self.lagging[run] = None
        elif any(to > cursors[kind] for kind, (_, to) in spans.items()):
            cursors.update({kind: to for kind, (_, to) in spans.items()})
            self.queue.append(message)
            self.queued += len(message)
        self.wake.set()

    def watch(self, runs: Iterable[int], points: dict[str, dict[str, int]]) -> None:
        """Replace the subscription; runs that stay keep their cursor, new ones get a snapshot."""
        self.runs, self.points = frozenset(runs), points
        for known in (self.cursors, self.statuses, self.wanted, self.lagging):
            for run in [run for run in known if run not in self.runs]:
                known.pop(run)
        self.introduced &= self.runs
        if self.health is not None and self.health.run not in self.runs:
            self.health = None
        for run in sorted(self.runs - self.cursors.keys(), reverse=True):
            self.wanted[run] = None
        self.wake.set()


@dataclass
class Watch:
    """What the hub knows of one watched run."""

    cursors: Cursors | None = None
    unread: bool = False
    status: str | None = None
    told: str = ""
    told_at: float = 0.0
    untold: str | None = None

    def start(self, cursors: Cursors) -> bool:
        """Begin to follow a run from `cursors`; whether it was followed before and is further than that."""
        if self.cursors is None:
            # What was committed between reading those and now may have been seen by no poll: read once for
            # sure.
            self.cursors, self.unread = dict(cursors), True
            return False
        return any(self.cursors[kind] > cursors[kind] for kind in cursors)
