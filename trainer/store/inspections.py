"""Questions that only a process with torch can answer, such as how activations spread before the first step.

A page asks, a process that the supervisor forks answers, and the answer is kept: the same code does not compute the same
answer twice. A page that moves on to another question withdraws the one before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.lifecycle.states import JobState
from trainer.store.database import Database, StoreError, tick
from trainer.store.runs import clean
from trainer.store.schema import inspections

MAX_KEPT = 300
"""Questions that are kept; the oldest make room."""


@dataclass(frozen=True)
class Inspection:
    """One question: once finished it has an `answer`, once failed a `message` with the reason."""

    id: int
    kind: str
    question: dict[str, Any]
    status: JobState
    answer: Any
    message: str
    created: datetime
    ended: datetime | None

    @property
    def is_over(self) -> bool:
        """Whether it has finished or failed."""
        return self.status.is_over


class InspectionStore(Database):
    """Methods on questions. Each is one transaction."""

    def ask(self, kind: str, question: Mapping[str, Any], instead_of: int | None = None) -> Inspection:
        """Asks, and returns the question: with its answer where it was answered before, else queued or running.

        One that failed is asked again, under a new id. `instead_of` is the asker's question before this one: if it has no
        answer yet, it is withdrawn.
        """
        digest = digest_of(kind, question)
        with self.reading() as connection:
            found = _find(connection, digest)
        if found is not None and found.status is JobState.FINISHED and instead_of is None:
            return found
        with self.writing() as connection:
            tick(connection)
            found = _find(connection, digest)
            if instead_of is not None and (found is None or found.id != instead_of):
                connection.execute(_PENDING_DELETE, {"withdrawn": instead_of})
            if found is not None and found.status is not JobState.FAILED:
                return found
            connection.execute(sa.delete(inspections).where(inspections.c.digest == digest))
            return _insert(connection, kind, digest, question)

    def withdraw(self, inspection_id: int) -> None:
        """Withdraws a question that nobody waits for any more; one that is over stays."""
        with self.writing() as connection:
            tick(connection)
            connection.execute(_PENDING_DELETE, {"withdrawn": inspection_id})

    def inspection(self, inspection_id: int) -> Inspection:
        """Returns one question. Raises StoreError when it was withdrawn, or so old that it has made room."""
        with self.reading() as connection:
            row = connection.execute(_SELECT.where(inspections.c.id == inspection_id)).first()
        if row is None:
            raise StoreError(f"There is no inspection {inspection_id}.")
        return Inspection(**row._mapping)

    def inspections(self, *states: JobState) -> list[Inspection]:
        """Returns the questions in any of these states (none given: all), oldest first."""
        condition = inspections.c.status.in_(states) if states else sa.true()
        with self.reading() as connection:
            rows = connection.execute(_SELECT.where(condition).order_by(inspections.c.id))
            return [Inspection(**row._mapping) for row in rows]

    def start_inspection(self, inspection_id: int) -> Inspection | None:
        """Marks a question as running and returns it, or None when it was withdrawn meanwhile."""
        with self.writing() as connection:
            tick(connection)
            mine = inspections.c.id == inspection_id
            waits = sa.update(inspections).where(mine, inspections.c.status == JobState.QUEUED)
            if not connection.execute(waits.values(status=JobState.RUNNING)).rowcount:
                return None
            return Inspection(**connection.execute(_SELECT.where(mine)).one()._mapping)

    def finish_inspection(self, inspection_id: int, answer: Any = None, error: str | None = None) -> None:
        """Writes the answer, or the sentence with the reason why there is none. A question that is over, or was withdrawn,
        stays as it is. The oldest ones make room."""
        status = JobState.FINISHED if error is None else JobState.FAILED
        values = {"status": status, "answer": answer, "message": clean(error or "")}
        with self.writing() as connection:
            tick(connection)
            pending = sa.update(inspections).where(inspections.c.id == inspection_id, _PENDING)
            connection.execute(pending.values(**values, ended=datetime.now(UTC)))
            kept = sa.select(inspections.c.id).order_by(inspections.c.id.desc()).offset(MAX_KEPT).limit(1)
            oldest = connection.execute(kept).scalar()
            if oldest is not None:
                connection.execute(
                    sa.delete(inspections).where(inspections.c.id <= oldest, sa.not_(_PENDING))
                )

    def requeue_inspections(self) -> int:
        """Queues what was running when a supervisor died, and returns how many. For the supervisor's start."""
        with self.writing() as connection:
            tick(connection)
            running = sa.update(inspections).where(inspections.c.status == JobState.RUNNING)
            return connection.execute(running.values(status=JobState.QUEUED)).rowcount


def digest_of(kind: str, question: Mapping[str, Any]) -> str:
    """Returns what is the same for the same question: a digest of kind, content, and the code that answers."""
    text = json.dumps([kind, question, code_stamp()], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def code_stamp() -> str:
    """Returns a digest of the engine's code and of torch's version: after a change of either, old answers are not found."""
    state = hashlib.sha256(_version("torch").encode())
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        state.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return state.hexdigest()


def _version(package: str) -> str:
    """Returns a package's version from its metadata: importing torch would cost the web process seconds."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _find(connection: Connection, digest: str) -> Inspection | None:
    row = connection.execute(_SELECT.where(inspections.c.digest == digest)).first()
    return None if row is None else Inspection(**row._mapping)


def _insert(connection: Connection, kind: str, digest: str, question: Mapping[str, Any]) -> Inspection:
    values: dict[str, Any] = {"kind": clean(kind), "digest": digest, "question": dict(question)}
    values |= {"status": JobState.QUEUED, "message": "", "created": datetime.now(UTC)}
    row = connection.execute(sa.insert(inspections).values(**values).returning(*_COLUMNS)).one()
    return Inspection(**row._mapping)


_COLUMNS = [inspections.c[field.name] for field in fields(Inspection)]
_SELECT = sa.select(*_COLUMNS)
_PENDING = inspections.c.status.in_((JobState.QUEUED, JobState.RUNNING))
_PENDING_DELETE = sa.delete(inspections).where(inspections.c.id == sa.bindparam("withdrawn"), _PENDING)
