"""One supervisor per database: a lock that dies with its holder, beside the SQLite file or in PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from trainer.store.database import POSTGRESQL_ARGUMENTS, Database
from trainer.store.file_lock import FileLock

_KEY = 0x7472_7376  # any number that only this program uses; advisory locks are per database


class SupervisorLock(Protocol):
    """The lock that makes a process the supervisor of a database."""

    def acquire(self) -> bool:
        """Takes the lock without waiting, and returns whether it could: False when another process holds it."""

    def release(self) -> None:
        """Releases the lock."""

    def abandon(self) -> None:
        """In a forked child: leaves the lock with the parent."""

    def held_by_anyone(self) -> bool:
        """Whether any process holds the lock. Asking never makes another's attempt fail."""

    def still_held(self) -> bool:
        """Whether this object still holds the lock: a broken connection to PostgreSQL loses it. `acquire` takes it again."""


def supervisor_lock(database: Database) -> SupervisorLock:
    """Returns the lock of this database's supervisor, not yet taken."""
    if database.is_sqlite:
        return FileLock(Path(f"{database.engine.url.database}.supervisor"))
    return _AdvisoryLock(database.url)


class _AdvisoryLock:
    """A session lock of PostgreSQL: it lasts as long as the connection that took it."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(
            url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=POSTGRESQL_ARGUMENTS
        )
        self._connection: Connection | None = None

    def acquire(self) -> bool:
        self.release()  # the connection of an earlier lock, which broke
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

    def held_by_anyone(self) -> bool:
        with self._engine.connect() as connection:
            return bool(connection.execute(_HELD).scalar())

    def still_held(self) -> bool:
        try:
            return self._connection is not None and self._connection.execute(sa.select(1)).scalar() == 1
        except DBAPIError:
            return False


_HELD = sa.text(
    "select exists (select from pg_locks where locktype = 'advisory' and objsubid = 1 and granted"
    " and database = (select oid from pg_database where datname = current_database())"
    " and classid = :high and objid = :low)"
).bindparams(high=_KEY >> 32, low=_KEY & 0xFFFF_FFFF)
