"""The store: the one place with SQL, and the only thing that joins web process, supervisor and workers."""

from __future__ import annotations

import os
import socket

import sqlalchemy as sa

from trainer.spaces import COMMAND_LINE, refusal
from trainer.spaces.limits import Limits
from trainer.store.attempts import MAX_LOSSES, AttemptStore, Superseded
from trainer.store.bookmarks import BookmarkStore
from trainer.store.branches import BranchStore
from trainer.store.comparisons import Comparison, Member, Planned
from trainer.store.database import DatabaseReplacedError, StoreError, tick
from trainer.store.downloads import Download, DownloadStore
from trainer.store.imports import EndedRun, Imported, ImportedComparison, ImportStore
from trainer.store.inspections import Inspection, InspectionStore
from trainer.store.knob_changes import KnobChangeStore
from trainer.store.lessons import LessonStore
from trainer.store.moving import MoveStore
from trainer.store.points import Batch, Points
from trainer.store.queue import QueuedRun, QueueStore
from trainer.store.rooms import RoomStore
from trainer.store.runs import ENDED, LIVE, MAX_LENGTHS, MAX_TAG, MAX_TAGS, Changes, Run
from trainer.store.schema import supervisor
from trainer.store.spaces import SpaceStore
from trainer.store.supervisor_lock import supervisor_lock
from trainer.store.uploads import Upload, UploadStore
from trainer.store.views import View, ViewStore

__all__ = [
    "COMMAND_LINE",
    "ENDED",
    "LIVE",
    "MAX_LENGTHS",
    "MAX_LOSSES",
    "MAX_TAG",
    "MAX_TAGS",
    "Batch",
    "Changes",
    "Comparison",
    "DatabaseReplacedError",
    "Download",
    "EndedRun",
    "Imported",
    "ImportedComparison",
    "Inspection",
    "Limits",
    "Member",
    "Planned",
    "Points",
    "QueuedRun",
    "Run",
    "Store",
    "StoreError",
    "Superseded",
    "Upload",
    "View",
    "refusal",
]


class Store(
    RoomStore,
    AttemptStore,
    BookmarkStore,
    BranchStore,
    DownloadStore,
    ImportStore,
    InspectionStore,
    KnobChangeStore,
    LessonStore,
    MoveStore,
    QueueStore,
    SpaceStore,
    UploadStore,
    ViewStore,
):
    """The store at a database URL. Opening it migrates the schema, safely when several processes open it at once.

    Threads may share one; a process calls `close` before it forks. Errors of use raise `StoreError`, a write by an
    attempt that is not the current one raises `Superseded`, and a failing database SQLAlchemy's `DBAPIError`.
    """

    def __init__(self, url: str, *, migrate: bool = True, limits: Limits | None = None) -> None:
        """`limits` are the installation's. They, and those of each space, hold for the visitors whose runs and files are added
        through this store, but not for the command line; None: no limits."""
        super().__init__(url, migrate=migrate)
        self.limits = limits

    def set_supervisor(self, state: str) -> None:
        """Writes the supervisor's own state: "starting", "ready", "full" (ready, but people's newest runs wait for room), or
        "absent"."""
        values = {"state": state, "pid": os.getpid(), "host": socket.gethostname()}
        with self.writing() as connection:
            tick(connection)
            if not connection.execute(
                sa.update(supervisor).where(supervisor.c.id == 1).values(**values)
            ).rowcount:
                connection.execute(sa.insert(supervisor).values(id=1, **values))

    def supervisor_status(self) -> str:
        """Returns "starting" or "ready" while a supervisor serves this database, else "absent": its lock tells whether it
        is alive, its row whether it is ready."""
        if not supervisor_lock(self).held_by_anyone():
            return "absent"
        return "ready" if self._supervisor_state() in ("ready", "full") else "starting"

    def is_full(self) -> bool:
        """Whether the supervisor has no room for somebody's newest run just now, so that runs take turns."""
        return self._supervisor_state() == "full"

    def _supervisor_state(self) -> str | None:
        with self.reading() as connection:
            return connection.execute(sa.select(supervisor.c.state)).scalar()
