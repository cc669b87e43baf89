"""Tells viewers of the one run whose health they watch: at once, and then a few times a second while it changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable
from concurrent.futures import Executor
from typing import Final

from pages.live.viewer import HealthWatch, Viewer
from trainer.health.messages import Seen, news
from trainer.store import Store

PAUSE: Final = 0.25  # seconds between two messages: heat maps change by a column, not by a pixel
FRESH: Final = 0.5  # seconds for which an answer will do for others who have seen as much
ANSWERS: Final = 64


class HealthDesk:
    """Part of the hub; everything but the reading runs on the event loop."""

    def __init__(self, store: Store, readers: Executor) -> None:
        self._store, self._readers = store, readers
        self._answers: dict[tuple[int, Seen], tuple[float, tuple[list[bytes], Seen]]] = {}

    @staticmethod
    def watch(viewer: Viewer, run: int | None, seen: Seen) -> None:
        """Follow a run from what the page has seen; None ends it."""
        viewer.health = None if run is None else HealthWatch(run, seen)
        viewer.wake.set()

    @staticmethod
    def notice(viewers: Iterable[Viewer], changed: Collection[int]) -> None:
        """Once a tick: wake those whose run changed, but nobody too often."""
        now = time.monotonic()
        for viewer in viewers:
            if (watch := viewer.health) is not None:
                watch.changed |= watch.run in changed
                if watch.changed and now - watch.told_at >= PAUSE:
                    watch.due, watch.changed = True, False
                    viewer.wake.set()

    async def next_message(self, viewer: Viewer) -> bytes | None:
        """The first of what is new; the rest goes into the viewer's queue."""
        watch = viewer.health
        if watch is None or not watch.due:
            return None
        watch.due, watch.told_at = False, time.monotonic()
        messages, seen = await self._answer(watch.run, watch.seen)
        if viewer.health is not watch:  # the page has moved on meanwhile
            return None
        watch.seen = seen
        if not messages:
            return None
        viewer.queue.extend(messages[1:])
        viewer.queued += sum(map(len, messages[1:]))
        return messages[0]

    async def _answer(self, run: int, seen: Seen) -> tuple[list[bytes], Seen]:
        """A class that watches one run is answered by one reading."""
        known = self._answers.get((run, seen))
        if known is not None and time.monotonic() - known[0] < FRESH:
            return known[1]
        found = await asyncio.get_running_loop().run_in_executor(self._readers, news, self._store, run, seen)
        self._answers[run, seen] = (time.monotonic(), found)
        while len(self._answers) > ANSWERS:
            self._answers.pop(next(iter(self._answers)))
        return found
