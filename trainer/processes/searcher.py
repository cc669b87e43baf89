"""The process that drives the searches under way: forked by the supervisor, so that a search goes on without a web server."""

from __future__ import annotations

import os
import signal
import time
from typing import Final

from trainer.processes.log import log_line
from trainer.settings import Settings
from trainer.store import Limits, Store
from trainer.store.file_lock import FileLock

POLL: Final = 0.1
"""Seconds between two reads of the database's change stamp."""


def search_job(settings: Settings, parent: int) -> int:
    """Drives in this process until no search is under way or the supervisor is gone, and returns the exit code. Another that
    drives them already is left alone."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whatever it is doing, the next one does the rest
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    from trainer.comparison.search.drive import Driver

    lock = FileLock(settings.home.absolute() / "search.lock")
    if not lock.acquire():
        return 0
    store = Store(settings.url, limits=Limits.of(settings))
    driver, stamps, seen = Driver(store, log_line), store.stamp_reader(), -1
    while os.getppid() == parent:
        stamp = stamps.read()
        if stamp != seen:
            seen = stamp
            if not driver.round():
                break
        time.sleep(POLL)
    return 0
