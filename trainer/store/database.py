"""Opening the database: connections, SQLite's pragmas, transactions, and migrating to the newest schema."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.pool import PoolProxiedConnection

from trainer.store.schema import HEAD, clock

BUSY_SECONDS = 15.0
"""How long SQLite waits for another process's write before it reports a locked database."""

POSTGRESQL_ARGUMENTS = {"client_encoding": "utf8"}
"""For its driver: text is text also where a database declares no encoding, as those made in the locale C do."""

_MIGRATION_LOCK = 0x7472_6D69  # any number that only this program uses, for PostgreSQL's advisory lock


class StoreError(Exception):
    """The store cannot do what was asked of it; the text is a sentence for a person."""


class DatabaseReplacedError(OperationalError):
    """The database's file is not the one that was opened: what is written now would be lost. `orig` says what to do."""

    def __init__(self, path: Path) -> None:
        sentence = (
            f"The database {path} was removed or replaced while Trainscope was running. Stop Trainscope, put the file back, "
            "and start it again; without the file, it starts with an empty database."
        )
        super().__init__("", {}, Exception(sentence))


class OpenedFile:
    """SQLite's file as it was opened. A process would keep reading and writing a deleted one without noticing."""

    def __init__(self, engine: Engine) -> None:
        name = engine.url.database if engine.dialect.name == "sqlite" else None
        self._path = Path(name) if name else None
        self._identity = self._found()

    def require(self) -> None:
        """Raises DatabaseReplacedError when another file, or none, is in its place."""
        if self._path is not None and self._found() != self._identity:
            raise DatabaseReplacedError(self._path)

    def _found(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat() if self._path else None
        except FileNotFoundError:
            return None
        return found and (found.st_dev, found.st_ino)


class Database:
    """A connection pool and the two kinds of transaction. Threads may share it; processes may not (see `close`)."""

    def __init__(self, url: str, *, migrate: bool = True) -> None:
        self.url = normalized(url)
        self.engine = _engine(self.url)
        self._writing = self.engine.execution_options(trainscope_write=True)
        if migrate:
            self._ensure_schema()
        self._file = OpenedFile(self.engine)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite; PostgreSQL otherwise."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Opens a transaction that sees one consistent state and writes nothing."""
        self._file.require()
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Opens a transaction that may write, and commits it at the end. On SQLite it takes the write lock at once
        (BEGIN IMMEDIATE): a lock taken halfway could fail without waiting."""
        self._file.require()
        with self._writing.begin() as connection:
            yield connection

    def change_stamp(self) -> int:
        """Returns a number that increases with every write to the store, by any process. Cheap enough to poll."""
        with self.reading() as connection:
            return int(connection.execute(_CLOCK).scalar_one())

    def stamp_reader(self) -> StampReader:
        """Opens a connection that reads the change stamp in microseconds, for one thread that polls often."""
        return StampReader(self.engine, self._file)

    def close(self) -> None:
        """Closes every connection; the next use of the store opens new ones.

        Needed before a fork: SQLite keeps its file locks per process and would take a child's for its parent's,
        so that the write-ahead log could be deleted while a child still writes to it.
        """
        self.engine.dispose()

    def _ensure_schema(self) -> None:
        if self.engine.dialect.name == "sqlite" and self.engine.url.database:
            _make_folder(Path(self.engine.url.database).parent)
        version = self._schema_version()
        if version != HEAD:
            self._migrate()

    def _schema_version(self) -> str | None:
        try:
            with self.engine.connect() as connection:
                version = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
                return None if version is None else str(version)
        except (OperationalError, ProgrammingError) as error:
            if "alembic_version" in str(error.orig):  # no such table: an empty database
                return None
            raise

    def _migrate(self) -> None:
        """Migrates the schema to HEAD in one transaction: killed halfway, it leaves nothing behind."""
        from alembic.script import ScriptDirectory

        config = alembic_config()
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        with self._writing.begin() as connection:
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            current = _version_in(connection)
            if current is not None and current not in known:
                raise StoreError(
                    f"The database {self.engine.url.render_as_string()} has schema {current}, which this version "
                    f"(schema {HEAD}) does not know. Use the newer Trainscope that wrote it, or another database."
                )
            if current != HEAD:  # else another process was faster
                _upgrade(config, connection)


class StampReader:
    """Reads the change stamp over a connection of its own, which it opens again after it broke. Close it before a fork."""

    def __init__(self, engine: Engine, file: OpenedFile) -> None:
        self._engine, self._file = engine, file
        self._connection: PoolProxiedConnection | None = None

    def read(self) -> int:
        """Returns what `Database.change_stamp` returns. Raises OperationalError as other reads do."""
        return int(self._first_row("SELECT value FROM clock")[0])

    def read_work(self) -> tuple[int, ...]:
        """Returns numbers that differ whenever something new has been queued for the supervisor, and stay the same while
        workers write: places in the queue, inspections and downloads. Each is found in an index."""
        return tuple(int(value or 0) for value in self._first_row(_WORK))

    def _first_row(self, statement: str) -> Any:
        self._file.require()
        try:
            if self._connection is None:
                self._connection = self._engine.raw_connection()
            cursor = self._connection.cursor()
            cursor.execute(statement)
            row = cursor.fetchall()[0]
            cursor.close()
            self._connection.rollback()
        except (
            self._engine.dialect.loaded_dbapi.Error
        ) as error:  # the driver's own: SQLAlchemy does not see raw cursors
            if self._connection is not None:
                self._connection.invalidate()
                self._connection = None
            raise OperationalError("", {}, error) from error
        return row

    def close(self) -> None:
        """Returns the connection to the pool."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def tick(connection: Connection) -> int:
    """Increments the clock and returns its new value. The first statement of every write, see `schema.clock`."""
    return int(connection.execute(_TICK).scalar_one())


def alembic_config() -> Any:
    """Returns Alembic's configuration for the migrations beside this package."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
    return config


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder {folder} cannot be created: {error.strerror}. Set TRAINSCOPE_HOME to a writable folder."
        ) from None


def normalized(url: str) -> str:
    """Returns the URL with the installed driver: plain postgresql:// and postgres:// mean psycopg 3."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def _upgrade(config: Any, connection: Connection) -> None:
    from alembic import command

    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _version_in(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _engine(url: str) -> Engine:
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite":
            engine = sa.create_engine(
                parsed, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, pool_size=16
            )
            sa.event.listen(engine, "connect", prepare_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)
            return engine
        return sa.create_engine(
            parsed, pool_pre_ping=True, pool_size=8, max_overflow=16, connect_args=POSTGRESQL_ARGUMENTS
        )
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"The database URL {url.split('@')[-1]!r} cannot be used: {error}. "
            "Use sqlite:////path/to/file.db or postgresql://user:password@host/name (with psycopg installed)."
        ) from None


def prepare_sqlite(connection: Any, record: Any) -> None:
    """Sets all pragmas."""
    connection.isolation_level = None  # transactions are begun by _begin_sqlite, not by the driver's guess
    connection.execute("PRAGMA foreign_keys=ON")
    # With WAL this is safe against a killed process, and a commit needs no fsync.
    connection.execute("PRAGMA synchronous=NORMAL")
    deadline = time.monotonic() + BUSY_SECONDS
    while True:  # this pragma does not wait for a busy database by itself
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("trainscope_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


_WORK = """SELECT (SELECT MAX(place) FROM runs WHERE status = 'queued'),
(SELECT COUNT(*) FROM inspections WHERE status IN ('queued', 'running')),
(SELECT MAX(id) FROM inspections WHERE status = 'queued'),
(SELECT MAX(id) FROM downloads WHERE status = 'queued')"""
_CLOCK = sa.select(clock.c.value)
_TICK = sa.update(clock).values(value=clock.c.value + 1).returning(clock.c.value)
