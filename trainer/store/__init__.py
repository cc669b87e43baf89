"""The store: the one place with SQL, and the only thing that joins web process, supervisor and workers."""

from __future__ import annotations

import os
import socket

import sqlalchemy as sa

from trainer.store.attempts import LOSSES_ALLOWED, AttemptStore, Superseded
from trainer.store.database import StoreError, tick
from trainer.store.downloads import Download, DownloadStore
from trainer.store.imports import ImportStore
from trainer.store.inspections import Inspection, InspectionStore
from trainer.store.points import Batch, Points
from trainer.store.runs import COMMAND_LINE, ENDED, LIVE, STATUSES, Changes, Run, RunStore
from trainer.store.schema import supervisor
from trainer.store.supervisor_lock import supervisor_guard
from trainer.store.uploads import Upload, UploadStore
from trainer.store.views import View, ViewStore

__all__ = [
    "COMMAND_LINE",
    "ENDED",
    "LIVE",
    "LOSSES_ALLOWED",
    "STATUSES",
    "Batch",
    "Changes",
    "Download",
    "Inspection",
    "Points",
    "Run",
    "Store",
    "StoreError",
    "Superseded",
    "Upload",
    "View",
]


class Store(RunStore, AttemptStore, DownloadStore, ImportStore, InspectionStore, UploadStore, ViewStore):
    """The store at a database URL. Opening it brings the schema up to date, safely when several open it at once.

    Threads may share one; a process that forks calls `close` before. Errors of use are `StoreError`, a write by an
    attempt that is not current is `Superseded`, trouble of the database itself is SQLAlchemy's `DBAPIError`.
    """

    def set_supervisor(self, state: str) -> None:
        """The supervisor says of itself: "starting", "ready" or "absent"."""
        values = {"state": state, "pid": os.getpid(), "host": socket.gethostname()}
        with self.writing() as connection:
            tick(connection)
            if not connection.execute(
                sa.update(supervisor).where(supervisor.c.id == 1).values(**values)
            ).rowcount:
                connection.execute(sa.insert(supervisor).values(id=1, **values))

    def supervisor_status(self) -> str:
        """ "starting" or "ready" while a supervisor serves this database, else "absent": its lock says whether it
        lives, its row how far it has come."""
        if not supervisor_guard(self).held_by_anyone():
            return "absent"
        with self.reading() as connection:
            said = connection.execute(sa.select(supervisor.c.state)).scalar()
        return "ready" if said == "ready" else "starting"
