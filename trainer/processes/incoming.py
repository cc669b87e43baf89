"""Folders for files on their way in: each is filled, checked and renamed or removed; what a killed process left is swept."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trainer.settings import Settings
from trainer.store.file_lock import FileLock, is_locked

STALE: Final = 3600.0  # seconds after which a folder without a lock is one that an earlier version left


@contextlib.contextmanager
def staged(settings: Settings) -> Iterator[Path]:
    """Creates a new folder on the same disk as uploads and runs; removes it in the end, if it has not been renamed."""
    sweep(settings)
    folder = settings.uploads / "incoming" / secrets.token_hex(8)
    lock = FileLock(_lock_of(folder))
    lock.acquire()
    folder.mkdir()
    try:
        yield folder
    finally:
        _remove(folder)
        lock.release()


def sweep(settings: Settings) -> None:
    """Removes the folders that killed processes have left, also those of versions that kept them elsewhere."""
    for path in (*(settings.uploads / "incoming").glob("*"), *settings.home.glob("incoming-*")):
        folder = path.with_suffix("")
        locked = is_locked(_lock_of(folder))
        with contextlib.suppress(OSError):
            if locked is False or (locked is None and time.time() - path.stat().st_mtime > STALE):
                _remove(folder)


def _lock_of(folder: Path) -> Path:
    """Returns the file that is locked as long as somebody fills the folder; beside it, because the folder is renamed."""
    return folder.with_suffix(".lock")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _lock_of(folder).unlink(missing_ok=True)
