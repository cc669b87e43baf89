"""One reader of the store for all viewers.

The hub polls the store once per tick for all followed runs (in a thread, and only while somebody is connected),
encodes each delta once and queues the same bytes for every viewer of that run. A viewer's own task sends them.
A viewer that cannot keep up gets no backlog: its cursors stay where they are, and when its connection catches up,
it gets one thinned delta from there. So memory is bounded whatever a browser does, and no point is lost.

PostgreSQL could notify instead. But asking takes 0.07 ms a tick, a notification adds a third to every worker's commit, and charts
are drawn a tick at a time either way (tests/bench/live_tick.py).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from sqlalchemy.exc import DBAPIError

from pages.live.catch_up import CatchUp
from pages.live.health_feed import HealthFeed
from pages.live.store_reads import Changes, Cursors, RunState, read_changes
from pages.live.viewer import FollowedRun, Viewer
from trainer.curves import deltas
from trainer.curves.deltas import Segment
from trainer.curves.messages import encode
from trainer.metrics.registry import KINDS
from trainer.store import ENDED, Store

LOG = logging.getLogger(__name__)

TICK: Final = 0.1
IDLE_TICK: Final = 0.5  # while every followed run has ended
MAX_SLOWDOWN: Final = 20  # times a tick, after as many failed polls
RETRY_AFTER: Final = 1.0


class Hub:
    """Polls `store` for all viewers of this process. Its methods run on the event loop, reads on threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._viewers: set[Viewer] = set()
        self._followed: defaultdict[int, FollowedRun] = defaultdict(FollowedRun)
        self._poller = ThreadPoolExecutor(1, "live-poll")
        self._readers = ThreadPoolExecutor(2, "live-read")
        self.catch_up = CatchUp(store, self._readers, self._followed)
        self.health = HealthFeed(store, self._readers)
        self._task: asyncio.Task[None] | None = None
        self._stamp: int | None = None  # the store's change stamp at the last poll
        self.ticks = 0

    @property
    def viewers(self) -> int:
        """Returns the number of connections that are served."""
        return len(self._viewers)

    def join(self, viewer: Viewer) -> None:
        """Begins to serve a viewer; the first one starts the polling."""
        self._viewers.add(viewer)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll_forever(), name="live-hub")

    def leave(self, viewer: Viewer) -> None:
        """Stops serving a viewer; after the last one the polling stops."""
        self._viewers.discard(viewer)
        if not self._viewers and self._task is not None:
            self._task.cancel()
            self._task = self._stamp = None
            self._followed.clear()

    async def close(self) -> None:
        """Stops polling and lets the reads under way end."""
        if self._task is not None:
            self._task.cancel()
        self._viewers.clear()
        for pool in (self._poller, self._readers):
            pool.shutdown(wait=False, cancel_futures=True)

    def subscribe(self, viewer: Viewer, runs: Iterable[int], width: int) -> None:
        """Sets the runs that a viewer watches; `width` is the most points of one series that its charts can show."""
        runs = list(runs)
        budget = deltas.budget(len(runs))
        viewer.subscribe(
            runs,
            {
                kind: {name: min(most, width) for name, most in names.items()}
                for kind, names in budget.items()
            },
        )
        for run in viewer.runs:
            if sent := self._followed[run].sent:
                viewer.statuses[run] = sent

    async def hidden(self, person: str, runs: Iterable[int]) -> set[int]:
        """Returns those of these runs that the person may not see, or not any more."""
        theirs, asked = self._store.acting_for(person), list(runs)
        return await asyncio.get_running_loop().run_in_executor(self._readers, theirs.hidden, asked)

    def resync(self, viewer: Viewer, run: int, cursors: Cursors) -> None:
        """Accepts the cursors that a viewer reports; the points after them become due."""
        viewer.cursors[run] = {kind: cursors.get(kind, -1) for kind in KINDS}
        viewer.snapshots_due.pop(run, None)
        viewer.deltas_due[run] = None
        viewer.wake.set()

    # --- sending --------------------------------------------------------------------------------------------

    async def next_message(self, viewer: Viewer) -> bytes | str:
        """Returns the next message to send. Points come before states, so that a run's last ones precede its end."""
        while True:
            if viewer.queue:
                return viewer.dequeue()
            if viewer.statuses:
                return viewer.statuses.pop(next(iter(viewer.statuses)))
            try:
                message = await self.catch_up.next_message(viewer) or await self.health.next_message(viewer)
            except Exception:
                LOG.exception("Could not read curves for a live chart")
                await asyncio.sleep(RETRY_AFTER)
                self._read_again(viewer)
                continue
            if message is not None:
                return message
            if not viewer.has_work:
                viewer.wake.clear()
                await viewer.wake.wait()

    @staticmethod
    def _read_again(viewer: Viewer) -> None:
        """Makes everything due that a failed read may have been for."""
        for run in viewer.runs:
            due = viewer.deltas_due if run in viewer.cursors else viewer.snapshots_due
            due[run] = None
        for health in viewer.health.values():
            health.due = True

    # --- polling --------------------------------------------------------------------------------------------

    async def _poll_forever(self) -> None:
        failures = 0
        while True:
            try:
                await self._poll()
                failures = 0
            except Exception as error:
                # A locked or restarting database is no reason to drop the viewers: log it once and try again.
                failures += 1
                if failures == 1:
                    sentence = "Could not read the runs for the live charts; trying again: %s"
                    LOG.warning(sentence, error, exc_info=not isinstance(error, DBAPIError))
            self._drop_unwatched()
            self.ticks += 1
            active = any(run.state not in (*ENDED, "gone") for run in self._followed.values())
            await asyncio.sleep((TICK if active else IDLE_TICK) * min(MAX_SLOWDOWN, 1 + failures))

    async def _poll(self) -> None:
        """Reads in a thread what is new, and distributes it."""
        loop = asyncio.get_running_loop()
        unknown = [run for run, followed in self._followed.items() if followed.state is None]
        cursors = {
            run: dict(followed.cursors)
            for run, followed in self._followed.items()
            if followed.cursors is not None
        }
        unread = {run for run in cursors if self._followed[run].unread}
        if self._stamp is None:  # earlier changes are read when a viewer subscribes
            self._stamp = await loop.run_in_executor(self._poller, self._store.change_stamp)
        changes = await loop.run_in_executor(
            self._poller, read_changes, self._store, self._stamp, unknown, cursors, unread
        )
        self._stamp = changes.stamp
        self._distribute(changes, unread)

    def _distribute(self, changes: Changes, read: Iterable[int]) -> None:
        for run in read:
            if run in self._followed:
                self._followed[run].unread = False
        for run, segments in changes.points.items():
            if run in self._followed:
                self._offer(run, segments)
        self.health.wake(self._viewers, changes.states)
        self._send_statuses(changes.states)

    def _offer(self, run: int, segments: list[Segment]) -> None:
        """Encodes a delta once for all viewers of a run."""
        cursors = self._followed[run].cursors
        if cursors is None:
            return
        cursors.update({segment.kind: segment.to for segment in segments})
        message = encode(segments, "delta")
        spans = {segment.kind: (segment.after, segment.to) for segment in segments}
        for viewer in self._viewers:
            if run in viewer.runs:
                viewer.offer_delta(run, message, spans)

    def _send_statuses(self, states: dict[int, RunState]) -> None:
        now = time.monotonic()
        for run, followed in self._followed.items():
            message = followed.status_to_send(states.get(run), now)
            if message is None:
                continue
            for viewer in self._viewers:
                if run in viewer.runs:
                    viewer.statuses[run] = message
                    viewer.wake.set()

    def _drop_unwatched(self) -> None:
        watched = {run for viewer in self._viewers for run in viewer.runs}
        for run in self._followed.keys() - watched:
            del self._followed[run]
