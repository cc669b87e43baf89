"""Jobs that download a data set: asked for by a person, done by the supervisor in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from trainer.store.database import Database, StoreError, tick
from trainer.store.runs import clean
from trainer.store.schema import downloads


@dataclass(frozen=True)
class Download:
    """One job: status is queued, running, finished or failed; `message` is a sentence for a person."""

    id: int
    dataset: str
    status: str
    done_bytes: int
    total_bytes: int | None
    message: str
    created: datetime
    ended: datetime | None


class DownloadStore(Database):
    """Methods on download jobs. Each is one transaction."""

    def request_download(self, dataset: str) -> int:
        """Ask for a data set; return the job's id. A job for it that is not over yet is returned instead."""
        with self.writing() as connection:
            tick(connection)
            pending = sa.select(downloads.c.id).where(
                downloads.c.dataset == dataset, downloads.c.status.in_(("queued", "running"))
            )
            found = connection.execute(pending).scalar()
            if found is not None:
                return int(found)
            values = {"dataset": clean(dataset), "status": "queued", "done_bytes": 0, "message": ""}
            statement = sa.insert(downloads).returning(downloads.c.id)
            return int(connection.execute(statement, {**values, "created": datetime.now(UTC)}).scalar_one())

    def download(self, download_id: int) -> Download:
        """One job; `StoreError` when there is none with this id."""
        found = self._downloads(downloads.c.id == download_id)
        if not found:
            raise StoreError(f"There is no download {download_id}.")
        return found[0]

    def downloads(self, *statuses: str) -> list[Download]:
        """Jobs in any of these states (none given: all), oldest first."""
        return self._downloads(downloads.c.status.in_(statuses) if statuses else sa.true())

    def download_of(self, dataset: str) -> Download | None:
        """The newest job for a data set, if there ever was one."""
        found = self._downloads(downloads.c.dataset == dataset)
        return found[-1] if found else None

    def start_download(self, download_id: int) -> None:
        """The job's process begins."""
        self._change(download_id, status="running", done_bytes=0, total_bytes=None, message="")

    def progress_download(self, download_id: int, done_bytes: int, total_bytes: int | None) -> None:
        """Report bytes so far and, where the server said so, in all."""
        self._change(download_id, done_bytes=done_bytes, total_bytes=total_bytes)

    def finish_download(self, download_id: int, error: str | None = None) -> None:
        """End the job: finished, or failed with a sentence."""
        status = "finished" if error is None else "failed"
        self._change(download_id, status=status, message=clean(error or ""), ended=datetime.now(UTC))

    def requeue_downloads(self) -> int:
        """Queue again what was running when a supervisor died; return how many. For the supervisor's start."""
        with self.writing() as connection:
            tick(connection)
            statement = sa.update(downloads).where(downloads.c.status == "running").values(status="queued")
            return connection.execute(statement).rowcount

    def _downloads(self, condition: sa.ColumnElement[bool]) -> list[Download]:
        statement = sa.select(*_COLUMNS).where(condition).order_by(downloads.c.id)
        with self.reading() as connection:
            return [Download(**row._mapping) for row in connection.execute(statement)]

    def _change(self, download_id: int, **values: Any) -> None:
        with self.writing() as connection:
            tick(connection)
            connection.execute(sa.update(downloads).where(downloads.c.id == download_id).values(**values))


_COLUMNS = [downloads.c[field.name] for field in fields(Download)]
