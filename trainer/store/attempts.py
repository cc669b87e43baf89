"""Attempts: what a worker reports while it trains a run, and what the supervisor does when a worker is lost.

Each claim gives the run a new attempt number, and every write names its own: a worker that was thought dead and
comes back finds a newer number there and writes nothing (`Superseded`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.store import points
from trainer.store.database import Database, tick
from trainer.store.points import Array, Batch, Points
from trainer.store.runs import ENDED, clean, end_of, get_run, update_run
from trainer.store.schema import runs
from trainer.store.views import put_views

LOSSES_ALLOWED = 3
"""A run whose worker is lost this many times in a row without a new point is failed, not tried forever."""


class Superseded(Exception):  # noqa: N818 - a state of affairs that ends a worker, not a fault
    """The run belongs to a newer attempt now (or is gone, or over): this worker must leave and write nothing."""


class AttemptStore(Database):
    """What workers and the supervisor do with runs, and the points. Each method is one transaction."""

    def claim(self, run_id: int) -> int | None:
        """Take a queued run: it becomes running and the new attempt's number is returned. None if it is not
        queued any more. From here on writes by any earlier attempt raise `Superseded`."""
        with self.writing() as connection:
            values = {"run": run_id, "now": datetime.now(UTC), "at": tick(connection)}
            return connection.execute(_CLAIM, values).scalar()

    def record(
        self,
        run_id: int,
        attempt: int,
        batches: Iterable[Batch] = (),
        progress: Mapping[str, Any] | None = None,
        notices: Sequence[str] = (),
        views: Mapping[str, tuple[int, bytes]] | None = None,
    ) -> str | None:
        """Commit points, progress, notices and views (name → step, data) together with a beat; return what the run is
        asked to do, if anything: "stop", "pause" or (a pause taken back) "resume". `Superseded` if this attempt is not
        current."""
        with self.writing() as connection:
            version = tick(connection)
            request = _beat(connection, run_id, attempt, progress, version)
            if notices:
                _note(connection, run_id, notices)
            put_views(connection, run_id, version, views or {})
            for batch in batches:
                points.append(connection, run_id, batch)
        return request

    def beat(self, run_id: int, attempt: int, progress: Mapping[str, Any] | None = None) -> str | None:
        """`record` without points."""
        return self.record(run_id, attempt, progress=progress)

    def append_points(
        self, run_id: int, attempt: int, kind: str, columns: Sequence[str], rows: Array
    ) -> str | None:
        """`record` of one kind. Points up to the last committed step of the kind are skipped: after a resume the
        worker computes them again, equal to the bit."""
        return self.record(run_id, attempt, [Batch(kind, columns, rows)])

    def add_notice(self, run_id: int, text: str) -> None:
        """Add a sentence to the run for a person to read; one that is there already is not repeated."""
        with self.writing() as connection:
            version = tick(connection)
            get_run(connection, run_id)
            _note(connection, run_id, [text])
            update_run(connection, run_id, version)

    def finish(
        self,
        run_id: int,
        attempt: int,
        status: str,
        results: Mapping[str, Any] | None = None,
        error: str | None = None,
        traceback: str | None = None,
    ) -> str:
        """End this attempt: finished, stopped, failed, or (to go on later) paused, interrupted. Return the status
        that came of it: a pause that was taken back meanwhile goes to the queue, one followed by a stop ends."""
        if status not in (*ENDED, "paused", "interrupted"):
            raise ValueError(f"An attempt cannot end as {status!r}.")
        with self.writing() as connection:
            version = tick(connection)
            request = _beat(connection, run_id, attempt, None, version)
            status = _settled(status, request)
            values: dict[str, Any] = {"status": status, "request": None, "ended": end_of(status)}
            values["error"] = None if error is None else clean(error)
            values["traceback"] = None if traceback is None else clean(traceback)
            if results is not None:
                values["results"] = dict(results)
            update_run(connection, run_id, version, **values)
        return status

    def requeue_interrupted(self, run_id: int) -> bool:
        """Queue a run that left in good order when its supervisor stopped; its old place in the queue is kept."""
        with self.writing() as connection:
            version = tick(connection)
            if get_run(connection, run_id).status != "interrupted":
                return False
            update_run(connection, run_id, version, status="queued")
            return True

    def lost(self, run_id: int, attempt: int, reason: str) -> str:
        """The worker of this attempt is gone without a word. What was asked of the run is done, else it is queued
        to go on from its checkpoint; after `LOSSES_ALLOWED` losses in a row without a new point it is failed.
        Return the status after. A newer attempt is left alone."""
        with self.writing() as connection:
            version = tick(connection)
            run = get_run(connection, run_id)
            if run.attempt != attempt or run.status not in ("running", "queued"):
                return run.status
            losses, step = self._losses(connection, run_id)
            values: dict[str, Any] = {"losses": losses, "lost_step": step, "request": None}
            values["status"] = _settled("interrupted", run.request)
            if values["status"] == "interrupted":
                values["status"] = "failed" if losses >= LOSSES_ALLOWED else "queued"
            if values["status"] == "failed":
                values["error"] = _gave_up(losses, step, reason)
            values["ended"] = end_of(values["status"])
            update_run(connection, run_id, version, **values)
        return str(values["status"])

    def _losses(self, connection: Connection, run_id: int) -> tuple[int, int]:
        """(losses in a row without progress, this one included; last committed step)."""
        before = connection.execute(_LOSSES, {"run": run_id}).one()
        step = points.last_step(connection, run_id, "step")
        return (0 if step > before.lost_step else before.losses + 1), step

    def read_points(self, run_id: int, kind: str, after_step: int = -1, limit: int | None = None) -> Points:
        """Points with step > after_step, oldest first. The cost is that of what is new, not of the history."""
        with self.reading() as connection:
            return points.read(connection, run_id, kind, after_step, limit)

    def read_tails(self, cursors: Mapping[tuple[int, str], int]) -> dict[tuple[int, str], Points]:
        """`read_points` for many {(run id, kind): after_step} in one transaction; only those with news."""
        with self.reading() as connection:
            found = {key: points.read(connection, *key, after) for key, after in cursors.items()}
        return {key: block for key, block in found.items() if len(block)}

    def last_step(self, run_id: int, kind: str) -> int:
        """Step of the newest committed point of a kind, or -1."""
        with self.reading() as connection:
            return points.last_step(connection, run_id, kind)


def _beat(
    connection: Connection,
    run_id: int,
    attempt: int,
    progress: Mapping[str, Any] | None,
    version: int | None = None,
) -> str | None:
    """Prove that the attempt is current (and hold the run's row), count a beat, return the request."""
    values: dict[str, Any] = {
        "beat": runs.c.beat + 1,
        "version": tick(connection) if version is None else version,
    }
    if progress is not None:
        values["progress"] = dict(progress)
    row = connection.execute(_current(run_id, attempt).values(**values).returning(runs.c.request)).first()
    if row is None:
        raise Superseded(f"Attempt {attempt} of run {run_id} is not the current one any more.")
    return None if row.request is None else str(row.request)


def _current(run_id: int, attempt: int) -> sa.Update:
    return sa.update(runs).where(runs.c.id == run_id, runs.c.attempt == attempt, runs.c.status == "running")


def _note(connection: Connection, run_id: int, texts: Sequence[str]) -> None:
    """Add sentences to the run's notices, each once."""
    notices = connection.execute(sa.select(runs.c.notices).where(runs.c.id == run_id)).scalar_one()
    merged = list(dict.fromkeys([*notices, *map(clean, texts)]))
    if merged != notices:
        connection.execute(sa.update(runs).where(runs.c.id == run_id), {"notices": merged})


def _settled(status: str, request: str | None) -> str:
    """The status after an attempt that leaves a run unfinished, given what was asked of the run meanwhile."""
    if status not in ("paused", "interrupted"):
        return status
    if request == "stop":
        return "stopped"
    if request == "pause":
        return "paused"
    return "queued" if status == "paused" and request == "resume" else status


def _gave_up(losses: int, step: int, reason: str) -> str:
    where = f"after step {step}" if step >= 0 else "before its first step"
    return clean(
        f"The worker was lost {losses} times in a row {where} without getting further: {reason} "
        "Resume the run to try again, or start it with a smaller model or batch size if memory ran out."
    )


_CLAIM = (
    sa.update(runs)
    .where(runs.c.id == sa.bindparam("run"), runs.c.status == "queued")
    .values(
        status="running",
        attempt=runs.c.attempt + 1,
        request=None,
        started=sa.func.coalesce(runs.c.started, sa.bindparam("now", type_=runs.c.started.type)),
        version=sa.bindparam("at"),
    )
    .returning(runs.c.attempt)
)
_LOSSES = sa.select(runs.c.losses, runs.c.lost_step).where(runs.c.id == sa.bindparam("run"))
