"""Wrong codes: how many one visitor, and one address, may try before they have to wait."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

MAX_OF_VISITOR: Final = 10
MAX_OF_ADDRESS: Final = 120  # a class that mistypes shares an address; to try all codes still takes a year
WINDOW: Final = 60.0  # seconds in which they are counted


class Guesses:
    """Counts wrong codes by visitor and by address, afresh in each minute. Threads may share one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._clock, self._lock = clock, threading.Lock()
        self._window, self._counts = 0, Counter[tuple[str, str]]()

    def refusal(self, visitor: str, address: str) -> str | None:
        """Returns why they may not try another code now, as a sentence; None where they may."""
        with self._lock:
            self._begin_window()
            tried, shared = self._counts["visitor", visitor], self._counts["address", address]
        if tried < MAX_OF_VISITOR and shared < MAX_OF_ADDRESS:
            return None
        return f"{max(tried, shared)} wrong codes within a minute. Wait a minute, and look at the code again."

    def add(self, visitor: str, address: str) -> None:
        """Counts a wrong code."""
        with self._lock:
            self._begin_window()
            self._counts.update([("visitor", visitor), ("address", address)])

    def _begin_window(self) -> None:
        window = int(self._clock() // WINDOW)
        if window != self._window:
            self._window = window
            self._counts.clear()


guesses = Guesses()
