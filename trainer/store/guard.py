"""One supervisor per database: a lock that dies with its holder, beside the SQLite file or in PostgreSQL."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from trainer.locks import FileLock
from trainer.store.database import Database

_KEY = 0x7472_7376  # any number that only this program uses; advisory locks are per database


class Guard(Protocol):
    """The supervisor's lock."""

    def acquire(self) -> bool:
        """Take it without waiting; False when another process holds it."""

    def release(self) -> None:
        """Let go."""

    def abandon(self) -> None:
        """In a forked child: leave it with the parent."""

    def still_held(self) -> bool:
        """False when it was lost, which a broken connection to PostgreSQL can do."""


def supervisor_guard(database: Database) -> Guard:
    """The lock of the supervisor of this database, not yet taken."""
    if database.is_sqlite:
        return FileLock(Path(f"{database.engine.url.database}.supervisor"))
    return _AdvisoryLock(database.url)


def acquire_patiently(guard: Guard, seconds: float = 1.0) -> bool:
    """Take the lock, trying for a moment: whoever only asks whether it is held takes it for an instant."""
    deadline = time.monotonic() + seconds
    while not guard.acquire():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class _AdvisoryLock:
    """PostgreSQL's session lock: it lasts as long as the connection that took it."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        self._connection: Connection | None = None

    def acquire(self) -> bool:
        connection = self._engine.connect()
        if connection.execute(sa.select(sa.func.pg_try_advisory_lock(_KEY))).scalar():
            self._connection = connection
            return True
        connection.close()
        return False

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abandon(self) -> None:
        # Only the descriptor: closing the connection properly would end the parent's session.
        if self._connection is not None:
            os.close(self._connection.connection.driver_connection.fileno())  # type: ignore[union-attr]

    def still_held(self) -> bool:
        try:
            return self._connection is not None and self._connection.execute(sa.select(1)).scalar() == 1
        except DBAPIError:
            return False
