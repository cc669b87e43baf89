"""Sends the health of the one run that a viewer watches: at once, then a few times a second while it changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable
from concurrent.futures import Executor
from typing import Final

from pages.live.viewer import HealthSubscription, Viewer
from trainer.health.messages import Seen, news
from trainer.store import Store

INTERVAL: Final = (
    0.25  # seconds between two messages to a viewer: a heat map changes by a column, not by a pixel
)
SHARED_FOR: Final = 0.5  # seconds for which viewers that have seen the same share one reading
MAX_READINGS: Final = 64


class HealthFeed:
    """Part of the hub. Reads run on the threads of `readers`, all else on the event loop."""

    def __init__(self, store: Store, readers: Executor) -> None:
        self._store, self._readers = store, readers
        self._readings: dict[tuple[int, Seen], tuple[float, tuple[list[bytes], Seen]]] = {}

    @staticmethod
    def subscribe(viewer: Viewer, run: int | None, seen: Seen) -> None:
        """Follows a run's health from what the page has seen; None ends the subscription."""
        viewer.health = None if run is None else HealthSubscription(run, seen)
        viewer.wake.set()

    @staticmethod
    def wake(viewers: Iterable[Viewer], changed: Collection[int]) -> None:
        """Wakes, once a tick, the viewers whose run changed, each at most every `INTERVAL`."""
        now = time.monotonic()
        for viewer in viewers:
            if (health := viewer.health) is not None:
                health.changed |= health.run in changed
                if health.changed and now - health.sent_at >= INTERVAL:
                    health.due, health.changed = True, False
                    viewer.wake.set()

    async def next_message(self, viewer: Viewer) -> bytes | None:
        """Returns the first message of what is new, and adds the others to the viewer's queue."""
        health = viewer.health
        if health is None or not health.due:
            return None
        health.due, health.sent_at = False, time.monotonic()
        messages, seen = await self._read(health.run, health.seen)
        if viewer.health is not health:  # the page subscribed to another run meanwhile
            return None
        health.seen = seen
        if not messages:
            return None
        viewer.enqueue(*messages[1:])
        return messages[0]

    async def _read(self, run: int, seen: Seen) -> tuple[list[bytes], Seen]:
        """Returns what is new, and what has been seen then. Viewers that have seen the same share a reading."""
        known = self._readings.get((run, seen))
        if known is not None and time.monotonic() - known[0] < SHARED_FOR:
            return known[1]
        found = await asyncio.get_running_loop().run_in_executor(self._readers, news, self._store, run, seen)
        self._readings[run, seen] = (time.monotonic(), found)
        while len(self._readings) > MAX_READINGS:
            self._readings.pop(next(iter(self._readings)))
        return found
