"""Who is checked next: a few files at once on this machine, and of one owner one, so that nobody holds every slot."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

POLL: Final = 0.2  # seconds between two looks at whether the one who waits has cancelled


class CancelledError(Exception):
    """The owner has cancelled what was to be checked."""


class Turns:
    """Slots, given to owners in the order of their requests, one to each at a time. Threads share it."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._holders: set[str] = set()
        self._waiting: list[tuple[str, object]] = []
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, owner: str, waiting: Callable[[], None], cancelled: Callable[[], bool]) -> Iterator[None]:
        """Holds a slot; calls `waiting` repeatedly until there is one. Raises CancelledError once `cancelled` is true."""
        place = (owner, object())
        with self._changed:
            self._waiting.append(place)
            try:
                while self._next() != place:
                    waiting()
                    self._changed.wait(POLL)
                    if cancelled():
                        raise CancelledError
                self._holders.add(owner)
            finally:
                self._waiting.remove(place)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._holders.remove(owner)
                self._changed.notify_all()

    def _next(self) -> tuple[str, object] | None:
        """Returns the first in line whose owner holds no slot; None while all slots are held."""
        if len(self._holders) >= self._slots:
            return None
        return next((place for place in self._waiting if place[0] not in self._holders), None)
