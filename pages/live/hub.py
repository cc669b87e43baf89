"""One reader of the store for everybody who watches.

The hub polls the store once per tick for all watched runs (in a thread, and only while somebody watches),
encodes each delta once and hands the same bytes to every viewer of that run. A viewer's own task sends them.
A viewer that cannot keep up gets no backlog: its cursor stays where it is, and once its connection drains it
is sent one thinned delta from there. So memory is bounded whatever a browser does, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import orjson

from pages.live.health_feed import HealthDesk
from pages.live.viewer import Cursors, Viewer, Watch
from trainer.curves import deltas as live
from trainer.metrics.registry import KINDS
from trainer.store import Run, Store, StoreError

LOG = logging.getLogger(__name__)

TICK: Final = 0.1
IDLE_TICK: Final = 0.5  # while every watched run has ended
STATUS_PAUSE: Final = 0.3
SNAPSHOT_AGE: Final = 1.0
RETRY: Final = 1.0
SNAPSHOTS: Final = 256
ENDED: Final = frozenset({"finished", "stopped", "failed", "gone"})


class Hub:
    """Polls `store` for all viewers of this process. Every method but the `_read…` ones (threads) runs on the
    event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._viewers: set[Viewer] = set()
        self._watches: dict[int, Watch] = {}
        self._snapshots: OrderedDict[Any, tuple[float, bytes, Cursors]] = OrderedDict()
        self._poller = ThreadPoolExecutor(1, "live-poll")
        self._readers = ThreadPoolExecutor(2, "live-read")
        self.health = HealthDesk(store, self._readers)
        self._task: asyncio.Task[None] | None = None
        self._version: int | None = None
        self.ticks = 0

    def join(self, viewer: Viewer) -> None:
        """Begin to serve a viewer; the first one starts the polling."""
        self._viewers.add(viewer)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll_forever(), name="live-hub")

    def leave(self, viewer: Viewer) -> None:
        """Stop serving a viewer; without any the polling stops."""
        self._viewers.discard(viewer)
        if not self._viewers and self._task is not None:
            self._task.cancel()
            self._task = self._version = None
            self._watches.clear()

    async def close(self) -> None:
        """Stop polling and let running reads end."""
        if self._task is not None:
            self._task.cancel()
        self._viewers.clear()
        for pool in (self._poller, self._readers):
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def viewers(self) -> int:
        """How many connections are being served."""
        return len(self._viewers)

    def subscribe(self, viewer: Viewer, runs: Iterable[int], width: int) -> None:
        """Set what a viewer watches; `width` is the most points of one series that its charts can show."""
        runs = list(runs)
        points = live.budget(len(runs))
        for names in points.values():
            names.update({name: min(most, width) for name, most in names.items()})
        viewer.watch(runs, points)
        for run in viewer.runs:
            told = self._watches.setdefault(run, Watch()).told
            if told:
                viewer.statuses[run] = told

    def resync(self, viewer: Viewer, run: int, cursors: Cursors) -> None:
        """Take a viewer's word for what it has, and send the rest."""
        viewer.cursors[run] = {kind: cursors.get(kind, -1) for kind in KINDS}
        viewer.wanted.pop(run, None)
        viewer.lagging[run] = None
        viewer.wake.set()

    # --- what a viewer's own task asks for ------------------------------------------------------------------

    async def next_message(self, viewer: Viewer) -> bytes | str:
        """The next thing to send: new points first, so that a run is not told to have ended before its last ones."""
        while True:
            if viewer.queue:
                message = viewer.queue.popleft()
                viewer.queued -= len(message)
                return message
            if viewer.statuses:
                return viewer.statuses.pop(next(iter(viewer.statuses)))
            made = await self._make_safely(viewer)
            if made is not None:
                return made
            if not viewer.waits_for_something:
                viewer.wake.clear()
                await viewer.wake.wait()

    async def _make_safely(self, viewer: Viewer) -> bytes | str | None:
        try:
            return await self._make(viewer)
        except Exception:
            LOG.exception("Could not read curves for a live chart")
            await asyncio.sleep(RETRY)
            # What was asked for is asked again: the page would otherwise wait for ever.
            for run in viewer.runs - viewer.cursors.keys():
                viewer.wanted[run] = None
            viewer.lagging.update(dict.fromkeys(viewer.runs & viewer.cursors.keys()))
            if viewer.health is not None:
                viewer.health.due = True
            return None

    async def _make(self, viewer: Viewer) -> bytes | str | None:
        if viewer.wanted:
            run = next(iter(viewer.wanted))
            if not self._watches.setdefault(run, Watch()).told and run not in viewer.introduced:
                return await self._introduce(viewer, run)
            return await self._send_snapshot(viewer, viewer.wanted.popitem(last=False)[0])
        if viewer.lagging:
            return await self._send_missing(viewer, viewer.lagging.popitem(last=False)[0])
        if (message := await self.health.next_message(viewer)) is not None:
            return message
        if viewer.requests:
            request = viewer.requests.popleft()
            return await asyncio.get_running_loop().run_in_executor(self._readers, request)
        return None

    async def _introduce(self, viewer: Viewer, run: int) -> str:
        """The state of a run that no poll has read yet: how its curves are drawn depends on how long it will be."""
        viewer.introduced.add(run)
        return (await asyncio.get_running_loop().run_in_executor(self._readers, self._read_state, run))[1]

    async def _send_snapshot(self, viewer: Viewer, run: int) -> bytes | None:
        message, cursors = await self._snapshot(run, viewer.points)
        if run not in viewer.runs:
            return None
        viewer.cursors[run] = dict(cursors)
        if self._watches.setdefault(run, Watch()).start(cursors):
            viewer.lagging[run] = None
        return message

    async def _snapshot(self, run: int, points: dict[str, dict[str, int]]) -> tuple[bytes, Cursors]:
        """A snapshot of at most a second ago will do: what came since follows as a delta."""
        key = (run, tuple(tuple(names.items()) for names in points.values()))
        known = self._snapshots.get(key)
        if known is not None and time.monotonic() - known[0] < SNAPSHOT_AGE:
            return known[1], known[2]
        loop = asyncio.get_running_loop()
        message, cursors = await loop.run_in_executor(self._readers, self._read_snapshot, run, points)
        self._snapshots[key] = (time.monotonic(), message, cursors)
        self._snapshots.move_to_end(key)
        while len(self._snapshots) > SNAPSHOTS:
            self._snapshots.popitem(last=False)
        return message, cursors

    async def _send_missing(self, viewer: Viewer, run: int) -> bytes | None:
        cursors = viewer.cursors.get(run)
        if cursors is None:
            return None
        most = max(most for names in viewer.points.values() for most in names.values())
        loop = asyncio.get_running_loop()
        frames = await loop.run_in_executor(self._readers, live.delta, self._store, run, dict(cursors), most)
        cursors.update({frame.kind: frame.to for frame in frames})
        if self._watches.setdefault(run, Watch()).start(cursors):
            viewer.lagging[run] = None
        return live.encode(frames, "delta") if frames and run in viewer.runs else None

    def ask_range(
        self, viewer: Viewer, runs: list[int], series: list[str], span: tuple[int, int], **extra: Any
    ) -> None:
        """Queue an answer with the steps `span` of `series` in as much detail as the budget allows."""
        viewer.requests.append(lambda: self._read_range(runs, series, span, extra))
        viewer.wake.set()

    # --- polling --------------------------------------------------------------------------------------------

    async def _poll_forever(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            strangers = [run for run, watch in self._watches.items() if watch.status is None]
            plan = {
                run: dict(watch.cursors) for run, watch in self._watches.items() if watch.cursors is not None
            }
            unread = {run for run in plan if self._watches[run].unread}
            try:
                if self._version is None:
                    # From now on: what a run is at this moment is read when somebody asks for it.
                    self._version = await loop.run_in_executor(self._poller, self._store.change_stamp)
                states, news = await loop.run_in_executor(
                    self._poller, self._read_news, self._version, strangers, plan, unread
                )
                self._spread(states, news, unread)
                failures = 0
            except Exception:
                # A locked or restarting database is no reason to lose the viewers; say it once, try again
                # later.
                failures += 1
                if failures == 1:
                    LOG.exception("Could not read the runs for the live charts; trying again")
            self._forget()
            self.ticks += 1
            busy = any(watch.status not in ENDED for watch in self._watches.values())
            await asyncio.sleep((TICK if busy else IDLE_TICK) * min(20, 1 + failures))

    def _forget(self) -> None:
        watched = {run for viewer in self._viewers for run in viewer.runs}
        for run in [run for run in self._watches if run not in watched]:
            del self._watches[run]

    def _spread(
        self, states: dict[int, tuple[str, str]], news: dict[int, list[live.Frame]], read: Iterable[int]
    ) -> None:
        for run in read:
            if run in self._watches:
                self._watches[run].unread = False
        for run, frames in news.items():
            watch = self._watches.get(run)
            if watch is not None and watch.cursors is not None:
                watch.cursors.update({frame.kind: frame.to for frame in frames})
                self._fan_out(run, frames)
        self.health.notice(self._viewers, states)
        now = time.monotonic()
        for run, watch in self._watches.items():
            status, text = states.get(run, (watch.status, watch.untold))
            changed, watch.status = status != watch.status, status
            # Numbers that only run on are told a few times a second; a new state at once.
            watch.untold = None if text == watch.told else text
            if watch.untold is not None and (changed or now - watch.told_at > STATUS_PAUSE):
                watch.told, watch.told_at, watch.untold = watch.untold, now, None
                self._tell(run, watch.told)

    def _tell(self, run: int, text: str) -> None:
        for viewer in self._viewers:
            if run in viewer.runs:
                viewer.statuses[run] = text
                viewer.wake.set()

    def _fan_out(self, run: int, frames: list[live.Frame]) -> None:
        message = live.encode(frames, "delta")
        spans = {frame.kind: (frame.after, frame.to) for frame in frames}
        for viewer in self._viewers:
            if run in viewer.runs:
                viewer.offer(run, message, spans)

    # --- in threads -----------------------------------------------------------------------------------------

    def _read_news(
        self, version: int, strangers: list[int], plan: dict[int, Cursors], unread: set[int]
    ) -> tuple[dict[int, tuple[str, str]], dict[int, list[live.Frame]]]:
        """States of runs that changed or were unknown, and the new points of those that are followed.

        One read answers "nothing happened", the common case. States come before points: when a run is told to
        have ended, all its points are there.
        """
        changes = self._store.changed_since(version)
        states = {run.id: describe(run) for run in changes.runs} | {
            run: _gone(run) for run in changes.deleted
        }
        for run in strangers:
            states.setdefault(run, self._read_state(run))
        cursors = {
            (run, kind): after
            for run, kinds in plan.items()
            if run in states or run in unread
            for kind, after in kinds.items()
        }
        news = live.deltas(self._store, cursors) if cursors else {}
        self._version = changes.version
        return states, news

    def _read_state(self, run: int) -> tuple[str, str]:
        try:
            return describe(self._store.run(run))
        except StoreError:
            return _gone(run)

    def _read_snapshot(self, run: int, points: dict[str, dict[str, int]]) -> tuple[bytes, Cursors]:
        frames = [live.snapshot(self._store, run, kind, names) for kind, names in points.items()]
        return live.encode(frames, "snapshot"), {frame.kind: frame.to for frame in frames}

    def _read_range(
        self, runs: list[int], series: list[str], span: tuple[int, int], extra: dict[str, Any]
    ) -> bytes:
        points = live.budget(len(runs))
        wanted = {kind: {n: p for n, p in names.items() if n in series} for kind, names in points.items()}
        frames = [
            live.snapshot(self._store, run, kind, names, *span)
            for run in runs
            for kind, names in wanted.items()
            if names
        ]
        return live.encode(frames, "range", **extra)


def describe(run: Run) -> tuple[str, str]:
    """A run's state, and the message that tells it."""
    told = {
        "t": "status",
        "run": run.id,
        "status": run.status,
        "request": run.request,
        "progress": run.progress,
        "error": run.error,
    }
    return run.status, orjson.dumps(told).decode()


def _gone(run: int) -> tuple[str, str]:
    return "gone", orjson.dumps({"t": "status", "run": run, "status": "gone"}).decode()
