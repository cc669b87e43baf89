"""File locks that the operating system releases when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

_FLOCK = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, length (0: the whole file), process id


class FileLock:
    """An exclusive lock on a file, into which the holder's process id is written for people to read.

    It is an open file description lock (fcntl(2), F_OFD_SETLK), so that `is_locked` can ask without taking it.
    A forked child shares its parent's lock and would keep it after the parent's death: it must `abandon` it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def acquire(self) -> bool:
        """Takes the lock without waiting, and returns whether it could: False when another process holds it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, _exclusive())
        except OSError:
            os.close(file)
            return False
        self._file = file
        self._write_pid()
        return True

    def release(self) -> None:
        """Releases the lock, if this object holds it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    abandon = release
    """In a forked child: closing its descriptor leaves the lock with the parent."""

    def still_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def held_by_anyone(self) -> bool:
        """Whether any process holds the lock. Asking never makes another's attempt fail."""
        return bool(is_locked(self.path))

    def _write_pid(self) -> None:
        assert self._file is not None
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            pass  # the disk is full; the lock holds all the same


def is_locked(path: Path) -> bool | None:
    """Returns whether any process holds the lock on this file, or None when there is no such file.

    It only asks (F_OFD_GETLK): a lock taken to find out, even a shared one, would make another's single attempt fail.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _exclusive())
        return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)
    finally:
        os.close(file)


def _exclusive() -> bytes:
    return _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
