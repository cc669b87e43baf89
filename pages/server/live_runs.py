"""The runs that are not over, read once for all tabs: one reader of the server follows the store by change stamp.

A look costs what has changed since the last one, whatever waits in the queue, and several looks in a quarter of a second
cost one. Sessions read on their own threads, so a lock guards the state.
"""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

from pages.server.store import store
from trainer.lifecycle.states import RunState
from trainer.processes.waiting import Sharing, Sizes, Turn, sharing_of, turns, waiting_for
from trainer.settings import get_settings
from trainer.store import Run, Store

MAX_AGE = 0.25  # seconds for which one answer serves all tabs
QUEUE_MAX_AGE = 1.0  # the same for the estimate of who starts when, which takes the whole queue


@dataclass(frozen=True)
class Queue:
    """The queue at a moment: what runs share, the supervisor's state, the bytes left on the disk, and each queued run's turn."""

    sharing: Sharing
    supervisor: str
    free_space: int | None
    turns: Mapping[int, Turn]

    def reason(self, run_ids: Sequence[int]) -> str:
        """Returns why these queued runs of one person do not train yet."""
        return waiting_for(run_ids, self.turns, self.sharing, self.supervisor, self.free_space)


def free_space() -> int | None:
    """Returns the bytes left on the disk of the home folder, None where that cannot be told."""
    with suppress(OSError):
        return shutil.disk_usage(get_settings().home).free
    return None


class LiveRuns:
    """Follows one store."""

    def __init__(self, store: Store) -> None:
        self._store, self._lock = store, Lock()
        self._runs: dict[int, Run] = {}
        self._of_space: defaultdict[str, dict[int, Run]] = defaultdict(dict)
        self._version, self._read_at = -1, 0.0
        self._sizes: Sizes = {}
        self._queue: Queue | None = None
        self._queue_at = 0.0

    def of(self, spaces: Collection[str], at_least: int = 0) -> list[Run]:
        """Returns the runs in these spaces that are not over, as they were a moment ago, or since the change stamp
        `at_least`."""
        with self._lock:
            self._refresh(at_least)
            return [run for space in sorted(spaces) for run in self._of_space.get(space, {}).values()]

    def queue(self) -> Queue:
        """Returns the queue as it was a second ago at most."""
        with self._lock:
            self._refresh(0)
            if self._queue is None or time.monotonic() - self._queue_at > QUEUE_MAX_AGE:
                training = sum(run.status is RunState.RUNNING for run in self._runs.values())
                sharing = sharing_of(get_settings(), full=self._store.is_full(), training=training)
                found = turns(self._runs.values(), sharing, self._sizes)
                self._queue = Queue(sharing, self._store.supervisor_status(), free_space(), found)
                self._queue_at = time.monotonic()
            return self._queue

    def _refresh(self, at_least: int) -> None:
        if 0 <= self._version >= at_least and time.monotonic() - self._read_at < MAX_AGE:
            return
        if self._version < 0:
            version = self._store.change_stamp()  # before the runs, so that no change is missed
            for run in self._store.live():
                self._keep(run)
        else:
            changes = self._store.changed_since(self._version)
            version = changes.version
            for run_id in changes.deleted:
                self._drop(run_id)
            for run in changes.runs:
                self._drop(run.id) if run.is_over else self._keep(run)
        self._version, self._read_at = version, time.monotonic()

    def _keep(self, run: Run) -> None:
        before = self._runs.get(run.id)
        if before is not None and before.space != run.space:  # it was moved
            self._drop(run.id)
        if before is None or before.status is not run.status:
            self._queue = None
        self._runs[run.id] = self._of_space[run.space][run.id] = run

    def _drop(self, run_id: int) -> None:
        if (run := self._runs.pop(run_id, None)) is not None:
            self._queue = None
            self._sizes.pop(run_id, None)
            owned = self._of_space[run.space]
            del owned[run_id]
            if not owned:
                del self._of_space[run.space]


def live_runs() -> LiveRuns:
    """Returns the one reader of the server's store."""
    return _following(store())


@lru_cache(maxsize=1)
def _following(opened: Store) -> LiveRuns:
    return LiveRuns(opened)
