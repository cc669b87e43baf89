"""Jobs that download a data set: requested by a person, done in a process that the supervisor forks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from trainer.lifecycle.states import JobState
from trainer.store.database import Database, StoreError, tick
from trainer.store.runs import clean
from trainer.store.schema import downloads


@dataclass(frozen=True)
class Download:
    """One job; `message` is a sentence for a person."""

    id: int
    dataset: str
    status: JobState
    done_bytes: int
    total_bytes: int | None
    message: str
    created: datetime
    ended: datetime | None

    @property
    def is_over(self) -> bool:
        """Whether it has finished or failed."""
        return self.status.is_over


class DownloadStore(Database):
    """Methods on download jobs. Each is one transaction."""

    def request_download(self, dataset: str) -> int:
        """Queues a job and returns its id; of a data set whose job is not over yet, that job's."""
        with self.writing() as connection:
            tick(connection)
            unfinished = downloads.c.status.in_((JobState.QUEUED, JobState.RUNNING))
            pending = sa.select(downloads.c.id).where(downloads.c.dataset == dataset, unfinished)
            found = connection.execute(pending).scalar()
            if found is not None:
                return int(found)
            values = {"dataset": clean(dataset), "status": JobState.QUEUED, "done_bytes": 0, "message": ""}
            statement = sa.insert(downloads).returning(downloads.c.id)
            return int(connection.execute(statement, {**values, "created": datetime.now(UTC)}).scalar_one())

    def download(self, download_id: int) -> Download:
        """Returns one job. Raises StoreError when there is none with this id."""
        found = self._downloads(downloads.c.id == download_id)
        if not found:
            raise StoreError(f"There is no download {download_id}.")
        return found[0]

    def downloads(self, *states: JobState) -> list[Download]:
        """Returns the jobs in any of these states (none given: all), oldest first."""
        return self._downloads(downloads.c.status.in_(states) if states else sa.true())

    def download_of(self, dataset: str) -> Download | None:
        """Returns the newest job for a data set, or None."""
        found = self._downloads(downloads.c.dataset == dataset)
        return found[-1] if found else None

    def start_download(self, download_id: int) -> None:
        """Marks the job as running, from its first byte."""
        self._change(download_id, status=JobState.RUNNING, done_bytes=0, total_bytes=None, message="")

    def progress_download(self, download_id: int, done_bytes: int, total_bytes: int | None) -> None:
        """Reports the bytes so far and, where the server states it, the total."""
        self._change(download_id, done_bytes=done_bytes, total_bytes=total_bytes)

    def finish_download(self, download_id: int, error: str | None = None) -> None:
        """Ends the job: finished, or failed with a sentence."""
        status = JobState.FINISHED if error is None else JobState.FAILED
        self._change(download_id, status=status, message=clean(error or ""), ended=datetime.now(UTC))

    def requeue_downloads(self) -> int:
        """Queues what was running when a supervisor died, and returns how many. For the supervisor's start."""
        with self.writing() as connection:
            tick(connection)
            running = sa.update(downloads).where(downloads.c.status == JobState.RUNNING)
            return connection.execute(running.values(status=JobState.QUEUED)).rowcount

    def _downloads(self, condition: sa.ColumnElement[bool]) -> list[Download]:
        statement = sa.select(*_COLUMNS).where(condition).order_by(downloads.c.id)
        with self.reading() as connection:
            return [Download(**row._mapping) for row in connection.execute(statement)]

    def _change(self, download_id: int, **values: Any) -> None:
        with self.writing() as connection:
            tick(connection)
            connection.execute(sa.update(downloads).where(downloads.c.id == download_id).values(**values))


_COLUMNS = [downloads.c[field.name] for field in fields(Download)]
