"""What the hub knows about each viewer and each followed run."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from pages.live.store_reads import Budget, Cursors, RunState
from trainer.curves import deltas
from trainer.health.messages import Seen

MAX_QUEUED_BYTES: Final = 256 * 1024
MAX_PENDING_RANGES: Final = 16
STATUS_INTERVAL: Final = 0.3  # seconds between two messages in which only the progress changed


@dataclass
class HealthSubscription:
    """A run whose health a viewer watches, and what the page already has of it."""

    run: int
    seen: Seen
    views: frozenset[str] | None = None  # the only ones that the page shows; None: these, layers and norms
    due: bool = True  # read the health now
    changed: bool = False  # the run changed; becomes `due` when the last message is old enough
    sent_at: float = 0.0


@dataclass(eq=False)
class Viewer:
    """One connection: the runs it subscribed to, how far it has their curves, and what it has yet to be sent."""

    runs: frozenset[int] = frozenset()
    points: Budget = field(default_factory=lambda: deltas.budget(1))
    cursors: dict[int, Cursors] = field(default_factory=dict)
    queue: deque[bytes] = field(default_factory=deque)
    queued_bytes: int = 0
    statuses: dict[int, str] = field(default_factory=dict)  # by run; a newer message replaces an unsent one
    snapshots_due: OrderedDict[int, None] = field(default_factory=OrderedDict)
    deltas_due: OrderedDict[int, None] = field(default_factory=OrderedDict)
    announced: set[int] = field(default_factory=set)  # runs whose state was sent before any poll had read it
    ranges: deque[Callable[[], bytes]] = field(default_factory=lambda: deque(maxlen=MAX_PENDING_RANGES))
    health: dict[int, HealthSubscription] = field(default_factory=dict)  # by run
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def has_work(self) -> bool:
        """Returns whether there is a message to send or to make."""
        points_due = self.snapshots_due or self.deltas_due or self.ranges
        return bool(self.statuses or self.queue or points_due or self.health_due)

    @property
    def health_due(self) -> HealthSubscription | None:
        """Returns the health that is to be read now."""
        return next((health for health in self.health.values() if health.due), None)

    def subscribe(self, runs: Iterable[int], points: Budget) -> None:
        """Replaces the subscription; runs that stay keep their cursors, new ones get a snapshot."""
        self.runs, self.points = frozenset(runs), points
        for by_run in (self.cursors, self.statuses, self.snapshots_due, self.deltas_due, self.health):
            for run in by_run.keys() - self.runs:
                del by_run[run]
        self.announced &= self.runs
        for run in sorted(self.runs - self.cursors.keys(), reverse=True):
            self.snapshots_due[run] = None
        self.wake.set()

    def enqueue(self, *messages: bytes) -> None:
        """Adds binary messages to the queue."""
        self.queue.extend(messages)
        self.queued_bytes += sum(map(len, messages))

    def dequeue(self) -> bytes:
        """Removes and returns the oldest queued message."""
        message = self.queue.popleft()
        self.queued_bytes -= len(message)
        return message

    def offer_delta(self, run: int, message: bytes, spans: dict[str, tuple[int, int]]) -> None:
        """Queues a delta over `spans` (kind → after, to). A viewer that is behind gets one thinned delta later instead."""
        cursors = self.cursors.get(run)
        if cursors is None or run in self.snapshots_due:
            return
        gap = any(cursors[kind] < after for kind, (after, _) in spans.items())
        if gap or run in self.deltas_due or self.queued_bytes > MAX_QUEUED_BYTES:
            self.deltas_due[run] = None
        elif any(to > cursors[kind] for kind, (_, to) in spans.items()):
            cursors.update({kind: to for kind, (_, to) in spans.items()})
            self.enqueue(message)
        self.wake.set()


@dataclass
class FollowedRun:
    """A run that at least one viewer watches: how far polls have read it, and the status message that viewers have."""

    cursors: Cursors | None = None  # None until its first snapshot or delta
    unread: bool = False  # the next poll reads its points even if the run has not changed
    state: str | None = None  # None until a poll has read it
    sent: str = ""
    sent_at: float = 0.0
    unsent: str | None = None

    def begin(self, cursors: Cursors) -> bool:
        """Starts polling from `cursors`. Returns True where polls are already past them."""
        if self.cursors is None:
            # Points committed since those cursors were read may belong to a change that an earlier poll has counted.
            self.cursors, self.unread = dict(cursors), True
            return False
        return any(self.cursors[kind] > step for kind, step in cursors.items())

    def status_to_send(self, read: RunState | None, now: float) -> str | None:
        """Returns the status message to send after a poll, or None: a new state at once, progress at intervals."""
        state_changed = False
        if read is not None:
            state_changed, self.state = read.state != self.state, read.state
            self.unsent = None if read.message == self.sent else read.message
        if self.unsent is None or not (state_changed or now - self.sent_at > STATUS_INTERVAL):
            return None
        self.sent, self.sent_at, self.unsent = self.unsent, now, None
        return self.sent
