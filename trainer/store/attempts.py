"""Attempts: what a worker reports while it trains a run, and what the supervisor does when a worker is lost.

Each claim gives the run a new attempt number, and every write names its own: a worker that was given up and comes back
finds a newer number there and writes nothing (`Superseded`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.lifecycle.requests import Request, RequestKind
from trainer.lifecycle.states import TRANSITIONS, Event, RunState
from trainer.store import points
from trainer.store.access import Access
from trainer.store.database import tick
from trainer.store.knob_changes import next_change, record_applied
from trainer.store.points import Batch, Points
from trainer.store.runs import clean, find_run, get_run, move
from trainer.store.schema import chunks, runs, views
from trainer.store.views import put_views

MAX_LOSSES = 3
"""A run whose worker is lost this many times in a row without a new point fails instead of being tried again."""

_ENDINGS = {
    RunState.FINISHED: Event.FINISH,
    RunState.STOPPED: Event.STOP,
    RunState.FAILED: Event.FAIL,
    RunState.PAUSED: Event.PAUSE,
    RunState.INTERRUPTED: Event.INTERRUPT,
    RunState.QUEUED: Event.YIELD,
}
"""How a worker ends its attempt, by the state that it reports."""


class Superseded(Exception):  # noqa: N818 - a state of affairs that ends a worker, not a fault
    """A newer attempt has the run, or the run is over or deleted: this worker must leave and write nothing."""


class AttemptStore(Access):
    """What workers and the supervisor do with runs, and the points. Each method is one transaction."""

    def claim(self, run_id: int) -> int | None:
        """Claims a queued run for training and returns the new attempt's number, or None if it is not queued any more. From
        here on, writes by any earlier attempt raise `Superseded`."""
        with self.writing() as connection:
            version = tick(connection)
            run = find_run(connection, run_id)
            if run is None or Event.CLAIM not in TRANSITIONS[run.status]:
                return None
            started, attempt = run.started or datetime.now(UTC), run.attempt + 1
            move(connection, run, Event.CLAIM, version, attempt=attempt, started=started)
            return attempt

    def record(
        self,
        run_id: int,
        attempt: int,
        batches: Iterable[Batch] = (),
        progress: Mapping[str, Any] | None = None,
        notices: Sequence[str] = (),
        views: Mapping[str, tuple[int, bytes]] | None = None,
        handled: Sequence[Request] = (),
        folder_bytes: int | None = None,
    ) -> Request | None:
        """Commits points, progress, notices and views (name → step, data) with a heartbeat, takes back the requests that the
        worker has `handled`, and returns the request that it has still to answer, a change of knobs after all others. Raises
        `Superseded` if this attempt is not the current one. `folder_bytes` is what the run's folder takes, where it was
        measured."""
        with self.writing() as connection:
            version = tick(connection)
            answered = {one.kind for one in handled} - {RequestKind.CHANGE}
            kind = _beat(connection, run_id, attempt, version, progress, answered)
            record_applied(connection, run_id, handled)
            if notices:
                add_notices(connection, run_id, notices)
            put_views(connection, run_id, version, views or {})
            for batch in batches:
                points.append(connection, run_id, batch)
            _measure(connection, run_id, folder_bytes)
            return next_change(connection, run_id) if kind is None else Request(kind)

    def finish(
        self,
        run_id: int,
        attempt: int,
        status: RunState | str,
        results: Mapping[str, Any] | None = None,
        error: str | None = None,
        traceback: str | None = None,
        folder_bytes: int | None = None,
    ) -> RunState:
        """Ends this attempt: finished, stopped, failed, or (to continue later) paused, interrupted, or queued at its old place
        because it made room for others. Returns the state that the run is in then: a pause that was taken back meanwhile queues
        it, and a stop that followed one stops it. `folder_bytes` is as for `record`."""
        event = _ENDINGS.get(RunState(status))
        if event is None:
            raise ValueError(f"An attempt cannot end as {status}.")
        values: dict[str, Any] = {
            "error": None if error is None else clean(error),
            "traceback": None if traceback is None else clean(traceback),
        }
        if results is not None:
            values["results"] = dict(results)
        with self.writing() as connection:
            version = tick(connection)
            request = _beat(connection, run_id, attempt, version)
            run = get_run(connection, run_id)
            _measure(connection, run_id, folder_bytes)
            return move(connection, run, _as_requested(event, request), version, **values)

    def measure(self, run_id: int, folder_bytes: int) -> None:
        """Records what a run's folder takes, after another process has removed some of it."""
        with self.writing() as connection:
            tick(connection)
            _measure(connection, run_id, folder_bytes)

    def requeue_interrupted(self, run_id: int) -> bool:
        """Queues a run whose worker left in good order, at its old place, and returns whether it was interrupted."""
        with self.writing() as connection:
            version = tick(connection)
            run = get_run(connection, run_id)
            if run.status is not RunState.INTERRUPTED:
                return False
            move(connection, run, Event.REQUEUE, version)
            return True

    def lost(self, run_id: int, attempt: int, reason: str) -> RunState:
        """Ends an attempt whose worker is gone without a word. What was requested of the run is done, else it is queued to
        continue from its checkpoint; after `MAX_LOSSES` losses in a row without a new point it fails. Returns the state
        that the run is in then. A newer attempt is left alone."""
        with self.writing() as connection:
            version = tick(connection)
            run = get_run(connection, run_id)
            if run.attempt != attempt or run.status not in (RunState.RUNNING, RunState.QUEUED):
                return run.status
            losses, step = self._losses(connection, run_id)
            values: dict[str, Any] = {"losses": losses, "lost_step": step}
            event = _as_requested(Event.INTERRUPT, run.request)
            if event is Event.INTERRUPT:
                event = Event.FAIL if losses >= MAX_LOSSES else Event.REQUEUE
            if event is Event.FAIL:
                values["error"] = _gave_up(losses, step, reason)
            return move(connection, run, event, version, **values)

    def _losses(self, connection: Connection, run_id: int) -> tuple[int, int]:
        """Returns (losses in a row without progress, this one included; last committed step)."""
        before = connection.execute(_LOSSES, {"run": run_id}).one()
        step = points.last_step(connection, run_id, "step")
        return (0 if step > before.lost_step else before.losses + 1), step

    def read_points(self, run_id: int, kind: str, after_step: int = -1, limit: int | None = None) -> Points:
        """Returns the points with step > after_step, oldest first. The cost is that of what is new, not of the history."""
        with self.reading() as connection:
            self.require_visible(connection, runs, run_id)
            return points.read(connection, run_id, kind, after_step, limit)

    def read_tails(self, cursors: Mapping[tuple[int, str], int]) -> dict[tuple[int, str], Points]:
        """Returns `read_points` for many {(run id, kind): after_step} in one transaction; only those with new points."""
        with self.reading() as connection:
            self.require_visible(connection, runs, *(run_id for run_id, _ in cursors))
            found = {key: points.read(connection, *key, after) for key, after in cursors.items()}
        return {key: block for key, block in found.items() if len(block)}

    def last_step(self, run_id: int, kind: str) -> int:
        """Returns the step of the newest committed point of a kind, or -1."""
        with self.reading() as connection:
            self.require_visible(connection, runs, run_id)
            return points.last_step(connection, run_id, kind)


def _beat(
    connection: Connection,
    run_id: int,
    attempt: int,
    version: int,
    progress: Mapping[str, Any] | None = None,
    handled: Collection[RequestKind] = (),
) -> RequestKind | None:
    """Proves that the attempt is the current one (and locks the run's row), counts a heartbeat and returns what is
    requested of the run. Raises `Superseded`."""
    values: dict[str, Any] = {"run": run_id, "mine": attempt, "clock": version}
    statement = _BEAT
    if progress is not None:
        statement, values["facts"] = _BEAT_WITH_PROGRESS, dict(progress)
    if handled:  # unless another request has replaced it meanwhile
        left = sa.case((runs.c.request.in_(handled), sa.null()), else_=runs.c.request)
        statement = statement.values(request=left)
    row = connection.execute(statement, values).first()
    if row is None:
        raise Superseded(f"Attempt {attempt} of run {run_id} is not the current one any more.")
    return None if row.request is None else RequestKind(row.request)


def _measure(connection: Connection, run_id: int, folder_bytes: int | None) -> None:
    """Sets what a run keeps: its folder, and its points and views in the database."""
    if folder_bytes is not None:
        connection.execute(_MEASURE, {"run": run_id, "folder": folder_bytes})


def add_notices(connection: Connection, run_id: int, texts: Sequence[str]) -> None:
    """Adds sentences to the run's notices, each once."""
    notices = connection.execute(sa.select(runs.c.notices).where(runs.c.id == run_id)).scalar_one()
    merged = list(dict.fromkeys([*notices, *map(clean, texts)]))
    if merged != notices:
        connection.execute(sa.update(runs).where(runs.c.id == run_id), {"notices": merged})


def _as_requested(event: Event, request: RequestKind | None) -> Event:
    """Returns how an attempt ends that leaves its run unfinished, given what was requested of the run meanwhile."""
    if event not in (Event.PAUSE, Event.INTERRUPT, Event.YIELD):
        return event
    if request in (RequestKind.STOP, RequestKind.PAUSE):
        return Event(request)
    return Event.RESUME if event is Event.PAUSE and request is RequestKind.RESUME else event


def _gave_up(losses: int, step: int, reason: str) -> str:
    where = f"after step {step}" if step >= 0 else "before its first step"
    return clean(
        f"The worker was lost {losses} times in a row {where} without getting further: {reason} "
        "Resume the run to try again, or start it with a smaller model or batch size if memory ran out."
    )


_IN_DATABASE = [
    sa.select(sa.func.coalesce(sa.func.sum(sa.func.length(table.c.data)), 0))
    .where(table.c.run_id == sa.bindparam("run"))
    .scalar_subquery()
    for table in (chunks, views)
]
_MEASURE = (
    sa.update(runs)
    .where(runs.c.id == sa.bindparam("run"))
    .values(kept_bytes=sa.bindparam("folder", type_=sa.BigInteger) + _IN_DATABASE[0] + _IN_DATABASE[1])
)
_LOSSES = sa.select(runs.c.losses, runs.c.lost_step).where(runs.c.id == sa.bindparam("run"))
# Built once, as they are executed several times a second for each run.
_BEAT = (
    sa.update(runs)
    .where(
        runs.c.id == sa.bindparam("run"),
        runs.c.attempt == sa.bindparam("mine"),
        runs.c.status == RunState.RUNNING,
    )
    .values(beat=runs.c.beat + 1, version=sa.bindparam("clock"))
    .returning(runs.c.request)
)
_BEAT_WITH_PROGRESS = _BEAT.values(progress=sa.bindparam("facts", type_=runs.c.progress.type))
