"""Makes the messages that one viewer needs: snapshots, the points that it missed, and ranges that it zoomed into."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, TypeVar

from pages.live.store_reads import Budget, Cursors, read_range, read_snapshot, read_state
from pages.live.viewer import FollowedRun, Viewer
from trainer.curves import deltas
from trainer.curves.messages import encode
from trainer.store import Store

SNAPSHOT_AGE: Final = 1.0  # seconds for which viewers share a snapshot; later points follow as a delta
MAX_SNAPSHOTS: Final = 256

T = TypeVar("T")


class CatchUp:
    """Part of the hub, which owns `followed`. Reads run on the threads of `readers`, all else on the event loop."""

    def __init__(self, store: Store, readers: Executor, followed: defaultdict[int, FollowedRun]) -> None:
        self._store, self._readers, self._followed = store, readers, followed
        self._snapshots: OrderedDict[object, tuple[float, bytes, Cursors]] = OrderedDict()

    async def next_message(self, viewer: Viewer) -> bytes | str | None:
        """Returns the next snapshot, delta or range that is due, or None where there is nothing to send."""
        if viewer.snapshots_due:
            return await self._next_snapshot(viewer)
        if viewer.deltas_due:
            run, _ = viewer.deltas_due.popitem(last=False)
            return await self._missed_points(viewer, run)
        if viewer.ranges:
            return await self._in_thread(viewer.ranges.popleft())
        return None

    def add_range(
        self, viewer: Viewer, runs: list[int], series: list[str], span: tuple[int, int], request: int
    ) -> None:
        """Makes the steps `span` of `series` due, in detail; the message carries the id `request`."""
        viewer.ranges.append(lambda: read_range(self._store, runs, series, span, request))
        viewer.wake.set()

    async def _next_snapshot(self, viewer: Viewer) -> bytes | str | None:
        run = next(iter(viewer.snapshots_due))
        if not self._followed[run].sent and run not in viewer.announced:
            # Charts need the state first: how far a curve is smoothed depends on the run's length.
            viewer.announced.add(run)
            return (await self._in_thread(lambda: read_state(self._store, run))).message
        del viewer.snapshots_due[run]
        message, cursors = await self._snapshot(run, viewer.points)
        if run not in viewer.runs:  # the viewer has left the run meanwhile
            return None
        viewer.cursors[run] = dict(cursors)
        self._begin(viewer, run, cursors)
        return message

    async def _snapshot(self, run: int, points: Budget) -> tuple[bytes, Cursors]:
        key = (run, tuple(tuple(names.items()) for names in points.values()))
        known = self._snapshots.get(key)
        if known is not None and time.monotonic() - known[0] < SNAPSHOT_AGE:
            return known[1:]
        message, cursors = await self._in_thread(lambda: read_snapshot(self._store, run, points))
        self._snapshots[key] = (time.monotonic(), message, cursors)
        self._snapshots.move_to_end(key)
        while len(self._snapshots) > MAX_SNAPSHOTS:
            self._snapshots.popitem(last=False)
        return message, cursors

    async def _missed_points(self, viewer: Viewer, run: int) -> bytes | None:
        """Returns one delta from the viewer's cursors on, thinned to what its charts can show."""
        cursors = viewer.cursors.get(run)
        if cursors is None:
            return None
        start, most = dict(cursors), max(most for names in viewer.points.values() for most in names.values())
        segments = await self._in_thread(lambda: deltas.delta(self._store, run, start, most))
        cursors.update({segment.kind: segment.to for segment in segments})
        self._begin(viewer, run, cursors)
        return encode(segments, "delta") if segments and run in viewer.runs else None

    def _begin(self, viewer: Viewer, run: int, cursors: Cursors) -> None:
        """Starts polling from `cursors`; where polls are already past them, lets the viewer catch up."""
        if self._followed[run].begin(cursors):
            viewer.deltas_due[run] = None

    async def _in_thread(self, read: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, read)
