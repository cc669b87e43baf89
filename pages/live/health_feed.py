"""Sends the health of the runs that a viewer watches: at once, then a few times a second while it changes."""

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

Reading = tuple[int, Seen, frozenset[str] | None]
"""What is read: a run, from where on, and which views of it (None: its layers and norms, too)."""

News = tuple[list[bytes], Seen]


class HealthFeed:
    """Part of the hub. Reads run on the threads of `readers`, all else on the event loop."""

    def __init__(self, store: Store, readers: Executor) -> None:
        self._store, self._readers = store, readers
        self._readings: dict[Reading, asyncio.Future[News]] = {}  # under way

    @staticmethod
    def subscribe(viewer: Viewer, wanted: Iterable[HealthSubscription]) -> None:
        """Sets the runs whose health a viewer watches, each from what the page has seen."""
        viewer.health = {health.run: health for health in wanted}
        viewer.wake.set()

    def wake(self, viewers: Iterable[Viewer], changed: Collection[int]) -> None:
        """Wakes, once a tick, the viewers whose runs changed, for each run at most every `INTERVAL`."""
        self._readings = {}  # who subscribes from now on must not be given what was read before a change
        now = time.monotonic()
        for viewer in viewers:
            for health in viewer.health.values():
                health.changed |= health.run in changed
                if health.changed and now - health.sent_at >= INTERVAL:
                    health.due, health.changed = True, False
                    viewer.wake.set()

    async def next_message(self, viewer: Viewer) -> bytes | None:
        """Returns the first message of what is new, and adds the others to the viewer's queue."""
        health = viewer.health_due
        if health is None:
            return None
        health.due, health.sent_at = False, time.monotonic()
        messages, seen = await self._read(health.run, health.seen, health.views)
        if viewer.health.get(health.run) is not health:  # the page has subscribed again meanwhile
            return None
        health.seen = seen
        if not messages:
            return None
        viewer.enqueue(*messages[1:])
        return messages[0]

    async def _read(self, *reading: *Reading) -> News:
        """Returns what is new, and what has been seen then. Viewers that have seen the same share a reading."""
        readings = self._readings
        if reading not in readings:
            loop = asyncio.get_running_loop()
            readings[reading] = loop.run_in_executor(self._readers, news, self._store, *reading)
            readings[reading].add_done_callback(lambda _: readings.pop(reading, None))
        return await asyncio.shield(readings[reading])  # a viewer that leaves does not end it for the others
