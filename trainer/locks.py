"""Locks that the operating system lets go of when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class FileLock:
    """An exclusive lock on a file (flock), with the holder's process id written into it for a person to read.

    A child made by fork shares its parent's lock and would keep it after the parent's death: it must `abandon` it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting; False when another process holds it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._file = file
        self._sign()
        return True

    def release(self) -> None:
        """Let go. Without the lock: nothing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    abandon = release
    """In a forked child: closing its descriptor leaves the lock with the parent."""

    def still_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def _sign(self) -> None:
        assert self._file is not None
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            pass  # a full disk: the lock holds all the same


def is_locked(path: Path) -> bool | None:
    """Whether any process holds the lock on this file; None when there is no such file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who ask do not see each other
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(file)
