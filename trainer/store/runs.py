"""Runs as people see them: create, list, ask to stop or pause, resume, rename, delete."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.store.database import Database, StoreError, tick
from trainer.store.schema import clock, deletions, runs

COMMAND_LINE = "command line"
"""Owner of the runs that are started in a terminal. Pages show them to every visitor."""

LIVE = ("queued", "running", "paused", "interrupted")
ENDED = ("finished", "stopped", "failed")
STATUSES = LIVE + ENDED

LARGEST_ID = 2**31 - 1  # what the column holds on PostgreSQL


@dataclass(frozen=True)
class Run:
    """One run as the store knows it. Moments are aware datetimes in UTC."""

    id: int
    owner: str
    name: str
    notes: str
    archived: bool
    status: str
    config: dict[str, Any]
    created: datetime
    started: datetime | None
    ended: datetime | None
    attempt: int
    beat: int
    request: str | None
    progress: dict[str, Any]
    results: dict[str, Any] | None
    error: str | None
    traceback: str | None
    notices: list[str]
    version: int
    place: int

    @property
    def is_over(self) -> bool:
        """Finished, stopped or failed: nothing will happen by itself any more."""
        return self.status in ENDED


@dataclass(frozen=True)
class Changes:
    """What happened after a version: the runs as they are now, and the ids of those that were deleted."""

    version: int
    runs: list[Run]
    deleted: list[int]


class RunStore(Database):
    """What people do with runs. Each method is one transaction."""

    def create_run(
        self,
        config: Mapping[str, Any] | str,
        owner: str,
        name: str = "",
        status: str = "queued",
        notes: str = "",
    ) -> int:
        """Add a run, return its id. `config` is a mapping or its JSON. With status "running" the run is created
        already claimed, with attempt 1: for a caller that trains it itself and holds its lock."""
        if status not in ("queued", "running"):
            raise ValueError(f"A run is created queued or running, not {status!r}.")
        claimed = status == "running"
        now = datetime.now(UTC)
        with self.writing() as connection:
            version = tick(connection)
            values: dict[str, Any] = {
                "owner": clean(owner),
                "name": clean(name),
                "notes": clean(notes),
                "archived": False,
                "status": status,
                "config": json.loads(config) if isinstance(config, str) else dict(config),
                "created": now,
                "started": now if claimed else None,
                "attempt": int(claimed),
                "beat": 0,
                "progress": {},
                "notices": [],
                "version": version,
                "place": version,
                "losses": 0,
                "lost_step": -1,
            }
            return int(connection.execute(sa.insert(runs).returning(runs.c.id), values).scalar_one())

    def run(self, run_id: int) -> Run:
        """One run; `StoreError` when there is none with this id."""
        with self.reading() as connection:
            return get_run(connection, run_id)

    def runs(self, owner: str | Collection[str] | None = None, archived: bool | None = False) -> list[Run]:
        """Runs, newest first: of one owner, of some or of all; not archived, archived (True), or both (None)."""
        statement = sa.select(*_COLUMNS).order_by(runs.c.id.desc())
        if owner is not None:
            owners = [owner] if isinstance(owner, str) else owner
            statement = statement.where(runs.c.owner.in_(owners))
        if archived is not None:
            statement = statement.where(runs.c.archived == archived)
        return self._select(statement)

    def with_status(self, *statuses: str) -> list[Run]:
        """Runs in any of these states, in the order in which they were queued."""
        return self._select(sa.select(*_COLUMNS).where(runs.c.status.in_(statuses)).order_by(runs.c.place))

    def queued(self) -> list[Run]:
        """Runs that wait for a worker, first come first."""
        return self.with_status("queued")

    def live(self) -> list[Run]:
        """Runs that are not over: queued, running, paused or interrupted."""
        return self.with_status(*LIVE)

    def changed_since(self, version: int) -> Changes:
        """Runs changed or deleted after `version` (0: all). Pass the answer's `version` next time."""
        with self.reading() as connection:
            now = int(connection.execute(_CLOCK).scalar_one())
            changed = connection.execute(_CHANGED, {"after": version}).all()
            gone = connection.execute(_DELETED, {"after": version}).scalars().all()
        return Changes(now, [as_run(row) for row in changed], list(gone))

    def request(self, run_id: int, what: str) -> str:
        """Ask for "stop" or "pause"; return the run's status after. A running run is asked and its worker obeys
        between two steps; one that is not running changes at once. On a run that is over: `StoreError`."""
        if what not in ("stop", "pause"):
            raise ValueError(f"A run can be asked to stop or pause, not to {what!r}.")
        with self.writing() as connection:
            version = tick(connection)
            run = get_run(connection, run_id)
            if run.is_over:
                raise StoreError(f"Run {run_id} is {run.status} already; there is nothing to {what}.")
            if run.status == "running":
                asked = "stop" if run.request == "stop" else what  # a stop is not softened by a later pause
                update_run(connection, run_id, version, request=asked)
                return run.status
            status = "stopped" if what == "stop" else "paused"
            update_run(connection, run_id, version, status=status, request=None, ended=end_of(status))
            return status

    def resume(self, run_id: int) -> str:
        """Put a paused, interrupted, stopped or failed run back into the queue; it goes on from its checkpoint.
        A pause that its worker has not yet obeyed is taken back. Return the status after."""
        with self.writing() as connection:
            version = tick(connection)
            run = get_run(connection, run_id)
            if run.status == "finished":
                raise StoreError(f"Run {run_id} is finished; start a new run with its knobs instead.")
            if run.status == "running" and run.request is not None:
                update_run(connection, run_id, version, request="resume")
            elif run.status not in ("queued", "running"):
                fresh = {"losses": 0, "lost_step": -1, "error": None, "traceback": None, "ended": None}
                update_run(connection, run_id, version, status="queued", place=version, request=None, **fresh)
                return "queued"
            return run.status

    def rename(self, run_id: int, name: str) -> None:
        """Set the name."""
        self._set(run_id, name=clean(name))

    def set_notes(self, run_id: int, notes: str) -> None:
        """Set the notes."""
        self._set(run_id, notes=clean(notes))

    def archive(self, run_id: int, archived: bool = True) -> None:
        """Hide the run from the usual list, or (False) show it again."""
        self._set(run_id, archived=archived)

    def delete(self, run_id: int) -> None:
        """Delete the run and its points for good. Its folder is `Settings.remove_run_folder`'s to delete."""
        with self.writing() as connection:
            version = tick(connection)
            if get_run(connection, run_id).status == "running":
                raise StoreError(f"Run {run_id} is training; stop it before you delete it.")
            connection.execute(
                sa.delete(runs).where(runs.c.id == run_id)
            )  # points go with it, by foreign key
            connection.execute(sa.insert(deletions), {"run_id": run_id, "version": version})

    def _select(self, statement: sa.Select[Any]) -> list[Run]:
        with self.reading() as connection:
            return [as_run(row) for row in connection.execute(statement)]

    def _set(self, run_id: int, **values: Any) -> None:
        with self.writing() as connection:
            version = tick(connection)
            get_run(connection, run_id)
            update_run(connection, run_id, version, **values)


def get_run(connection: Connection, run_id: int) -> Run:
    """The run inside a transaction; `StoreError` when there is none."""
    known = 0 < run_id <= LARGEST_ID  # a larger number is refused by the database's driver
    row = connection.execute(_GET, {"run": run_id}).first() if known else None
    if row is None:
        raise StoreError(f"There is no run {run_id}.")
    return as_run(row)


def update_run(connection: Connection, run_id: int, version: int, **values: Any) -> None:
    """Change columns of a run and stamp it with this write's version."""
    connection.execute(sa.update(runs).where(runs.c.id == run_id), {"version": version, **values})


def as_run(row: sa.Row[Any]) -> Run:
    """A row of `runs` as a `Run`."""
    return Run(**row._mapping)


def end_of(status: str) -> datetime | None:
    """The `ended` that belongs to a status set now."""
    return datetime.now(UTC) if status in ENDED else None


def clean(text: str) -> str:
    """Text as any database takes it: PostgreSQL refuses NUL characters and lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


_COLUMNS = [runs.c[field.name] for field in fields(Run)]
_GET = sa.select(*_COLUMNS).where(runs.c.id == sa.bindparam("run"))
_CLOCK = sa.select(clock.c.value)
_CHANGED = sa.select(*_COLUMNS).where(runs.c.version > sa.bindparam("after")).order_by(runs.c.version)
_DELETED = sa.select(deletions.c.run_id).where(deletions.c.version > sa.bindparam("after"))
