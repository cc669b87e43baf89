"""Ctrl-C while something trains: the first one asks it to end in good order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def on_interrupt(
    ask: Callable[[], object], signals: Sequence[signal.Signals] = (signal.SIGINT,)
) -> Iterator[threading.Event]:
    """Calls `ask` at the first of these signals within the block, and yields the event that says so; raises KeyboardInterrupt at
    the second. Only the main thread gets signals: in another one, the block changes nothing."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def handle(*_: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        ask()

    before = {one: signal.signal(one, handle) for one in signals}
    try:
        yield asked
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
