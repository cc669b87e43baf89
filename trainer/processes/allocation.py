"""Gives runs their processes: starts those whose turn it is as far as they fit, and tells others to make room.

The rules are in sharing/policy.py; here they meet the queue, the workers, and what is measured of the machine.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from trainer.processes.launcher import Children
from trainer.processes.sharing.memory import Memory, kind_of
from trainer.processes.sharing.niceness import AHEAD, Usage, make_nicer
from trainer.processes.sharing.policy import InTraining, is_due, next_start, who_leaves
from trainer.settings import Settings
from trainer.store import QueuedRun, Store, StoreError
from trainer.store.file_lock import is_locked

log = logging.getLogger("trainscope.supervisor")


class Allocation:
    """Who trains on this machine. It remembers whose turn was last, and what their newest was; a supervisor that starts anew
    begins anew with both."""

    def __init__(self, settings: Settings, store: Store, children: Children) -> None:
        self._settings, self._store, self._children = settings, store, children
        self._memory, self._usage = Memory(), Usage()
        self.most = most_workers(settings)
        """Runs that train at once at most."""
        self._turns: dict[str, int] = {}
        self._launched: dict[str, int] = {}
        self._kinds: dict[int, str] = {}
        self._full = False

    def share(self) -> None:
        """Starts whoever's turn it is, as far as they fit, and tells those to leave who have to make room."""
        skipped = {child.run_id for child in self._children.workers() if child.run_id}
        cores, full = self._settings.max_workers, False
        while not full:
            training = self._in_training()
            first = self._store.first_in_line(skipped)
            newest = self._newest(first, skipped)
            run = next_start(newest, first, training, cores, self._turns)
            if run is None:
                break
            skipped.add(run.id)
            if is_locked(self._settings.run_folder(run.id) / "lock"):
                continue  # an earlier worker is about to leave it
            if self._fits(run):
                self._start(run)
            else:
                full = True
        waiting = [one for one in newest if full and is_due(one, training, cores)]
        waiting.sort(key=lambda one: (self._turns.get(one.owner, -1), one.place))
        self._make_room(who_leaves(waiting, first, training, cores))
        self._say_whether_full(bool(waiting))

    def _newest(self, first: Sequence[QueuedRun], skipped: Collection[int]) -> list[QueuedRun]:
        """Returns of each person what they have started last, until that has trained; then what is first in line."""
        found = {run.owner: run for run in first}
        for run in self._store.newest_in_line(skipped):
            if run.launch >= self._launched.get(run.owner, 0):
                found[run.owner] = run
        return list(found.values())

    def _in_training(self) -> list[InTraining]:
        turn = self._settings.turn_seconds
        return [child.in_training(turn) for child in self._children.workers()]

    def _fits(self, run: QueuedRun) -> bool:
        """Whether a run may train beside the others: not too many, and there is memory for it. One run alone always may."""
        workers = self._children.workers()
        kinds = {child.pid: child.kind for child in workers}
        if len(workers) >= self.most:
            return False
        return not workers or self._memory.room(kinds) >= self._memory.needed(self._kind_of(run))

    def _start(self, run: QueuedRun) -> None:
        self._launched[run.owner] = max(run.launch, self._launched.get(run.owner, 0))
        self._turns[run.owner] = max(self._turns.values(), default=0) + 1
        niceness = self._usage.niceness(run.owner) - AHEAD
        kind = self._kind_of(run)
        del self._kinds[run.id]
        child = self._children.fork_worker(run, kind, niceness)
        log.info("Run %d started (process %d).", run.id, child.pid)

    def _kind_of(self, run: QueuedRun) -> str:
        if run.id not in self._kinds:
            try:
                self._kinds[run.id] = kind_of(self._store.run(run.id).config)
            except StoreError:  # deleted meanwhile: its worker will find nothing to do
                self._kinds[run.id] = ""
        return self._kinds[run.id]

    def _make_room(self, run_ids: Sequence[int]) -> None:
        for child in self._children.make_room(run_ids):
            log.info("Run %s makes room for others.", child.run_id)

    def _say_whether_full(self, full: bool) -> None:
        if full != self._full:
            self._store.set_supervisor("full" if full else "ready")
            self._full = full

    def measure(self) -> None:
        """Measures what the workers use: processors, by which they are made nicer, and memory. Where that runs short, the one
        that holds most makes room."""
        workers = [child for child in self._children.workers() if child.status is None]
        self._usage.measure({child.pid: child.owner for child in workers})
        for child in workers:
            if child.pulse.has_begun:
                make_nicer(child.pid, self._usage.niceness(child.owner))
        self._memory.measure_next({child.pid: child.kind for child in workers if child.pulse.has_begun})
        if len(workers) > 1 and self._memory.is_short:
            self._make_room(
                [child.run_id for child in workers if child.pid == self._memory.largest() and child.run_id]
            )


def most_workers(settings: Settings) -> int:
    """Returns how many runs train at once at most. The memory of a GPU is not shared out as the machine's is, so beside one,
    no more train than there are workers."""
    import torch

    return settings.max_workers if torch.cuda.is_available() else settings.most_workers
