"""The supervisor: `python -m trainer.processes.supervisor` starts a worker for each queued run and watches them.

Only one serves a database; a second one logs that and exits. It imports torch once, so that its forks begin to train at
once. It never trains itself, holds no state that the database does not hold, and may be killed at any moment.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Sequence

from sqlalchemy.exc import DBAPIError

from trainer.lifecycle.states import JobState, RunState
from trainer.processes.inspector import unanswered
from trainer.processes.launcher import Child, Children
from trainer.processes.prewarm import prewarm
from trainer.processes.sharing.memory import Memory, kind_of
from trainer.processes.sharing.niceness import AHEAD, Usage, make_nicer
from trainer.processes.sharing.policy import InTraining, is_due, next_start, who_leaves
from trainer.settings import Settings, SettingsError, get_settings
from trainer.store import QueuedRun, Run, Store, StoreError
from trainer.store.database import StampReader
from trainer.store.file_lock import is_locked
from trainer.store.supervisor_lock import SupervisorLock, supervisor_lock

POLL = 0.025
"""Seconds between two reads of the database's change stamp."""
CHECK_INTERVAL = 0.5
"""Seconds between two checks for hung workers and for runs whose process is gone."""
MAX_SILENCE = 3.0
"""Seconds without a heartbeat after which a run that is trained elsewhere is lost."""
MAX_INSPECTORS = 2
"""Questions that are answered at the same time, beside the runs: each takes a moment, and somebody waits for it."""
GRACE = 15.0
"""Seconds in which workers must save and leave when the supervisor stops; less than the web server waits for it."""

log = logging.getLogger("trainscope.supervisor")


class Supervisor:
    """The loop of the process. It holds the `lock` already; `server` is the process id of the web server that started it."""

    def __init__(
        self, settings: Settings, store: Store, lock: SupervisorLock, server: int | None = None
    ) -> None:
        self.settings, self.store, self.lock, self.server = settings, store, lock, server
        self.children = Children(settings, self._disconnect, lock.abandon)
        self.stopping = False
        self.memory, self.usage = Memory(), Usage()
        self.most = most_workers(settings)
        self._stamp_reader: StampReader | None = None
        self._stamp = -1
        self._work: tuple[int, ...] = ()
        self._turns: dict[str, int] = {}
        self._launched: dict[str, int] = {}
        self._kinds: dict[int, str] = {}
        self._full = False
        self._beats: dict[int, tuple[tuple[int, int], float]] = {}
        self._next_check = 0.0
        self._trouble = ""

    def run(self) -> None:
        """Serves until `stopping` is set (SIGTERM, SIGINT), the lock is lost, or the server that started it is gone."""
        self._safely(self._requeue_downloads)
        self._safely(self.store.requeue_inspections)
        while not (self.stopping or self._abandoned()):
            self._safely(self._serve_once)
            self.children.wait(POLL if not self._trouble else CHECK_INTERVAL)
        self._stop()

    def _abandoned(self) -> bool:
        """Whether the server was killed: the next one starts a supervisor of its own, perhaps a newer one."""
        return self.server is not None and os.getppid() != self.server

    # -- one round ------------------------------------------------------------------------------------------

    def _serve_once(self) -> None:
        ended = self._reap()
        check = time.monotonic() >= self._next_check
        if check:  # first, so that runs that continue start before those that were queued after them
            self._next_check = time.monotonic() + CHECK_INTERVAL
            self._check_runs()
            self._measure()
        if self._has_new_work() or check or ended:
            self._answer_questions()
            self._share()
            self._start_downloads()

    def _has_new_work(self) -> bool:
        """Whether anything was queued since the last call. Workers write all the time, so a change alone does not say so."""
        if self._stamp_reader is None:
            self._stamp_reader = self.store.stamp_reader()
        stamp = self._stamp_reader.read()
        if stamp == self._stamp:
            return False
        work = self._stamp_reader.read_work()
        before, self._stamp, self._work = self._work, stamp, work
        return work != before

    def _share(self) -> None:
        """Starts whoever's turn it is, as far as they fit, and tells those to leave who have to make room."""
        skipped = {child.run_id for child in self.children.workers() if child.run_id}
        cores, full = self.settings.max_workers, False
        while not full:
            training = self._in_training()
            first = self.store.first_in_line(skipped)
            newest = self._newest(first, skipped)
            run = next_start(newest, first, training, cores, self._turns)
            if run is None:
                break
            skipped.add(run.id)
            if is_locked(self.settings.run_folder(run.id) / "lock"):
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
        for run in self.store.newest_in_line(skipped):
            if run.launch >= self._launched.get(run.owner, 0):
                found[run.owner] = run
        return list(found.values())

    def _in_training(self) -> list[InTraining]:
        turn = self.settings.turn_seconds
        return [child.in_training(turn) for child in self.children.workers()]

    def _fits(self, run: QueuedRun) -> bool:
        """Whether a run may train beside the others: not too many, and there is memory for it. One run alone always may."""
        workers = self.children.workers()
        kinds = {child.pid: child.kind for child in workers}
        if len(workers) >= self.most:
            return False
        return not workers or self.memory.room(kinds) >= self.memory.needed(self._kind_of(run))

    def _kind_of(self, run: QueuedRun) -> str:
        if run.id not in self._kinds:
            self._kinds[run.id] = kind_of(self.store.run(run.id).config)
        return self._kinds[run.id]

    def _make_room(self, run_ids: Sequence[int]) -> None:
        for child in self.children.make_room(run_ids):
            log.info("Run %s makes room for others.", child.run_id)

    def _say_whether_full(self, full: bool) -> None:
        if full != self._full:
            self.store.set_supervisor("full" if full else "ready")
            self._full = full

    def _measure(self) -> None:
        """Measures what the workers use: processors, by which they are made nicer, and memory. Where that runs short, the one
        that holds most makes room."""
        workers = [child for child in self.children.workers() if child.status is None]
        self.usage.measure({child.pid: child.owner for child in workers})
        for child in workers:
            if child.pulse.has_begun:
                make_nicer(child.pid, self.usage.niceness(child.owner))
        self.memory.measure_next({child.pid: child.kind for child in workers if child.pulse.has_begun})
        if len(workers) > 1 and self.memory.is_short:
            self._make_room(
                [child.run_id for child in workers if child.pid == self.memory.largest() and child.run_id]
            )

    def _start_downloads(self) -> None:
        if not self.children.downloading and (jobs := self.store.downloads(JobState.QUEUED)):
            self.children.fork_download(jobs[0].id, jobs[0].dataset)
            log.info("Downloading %s.", jobs[0].dataset)

    def _answer_questions(self) -> None:
        """Starts inspections beside the runs, a few at a time, because people wait for them on a page. One that was
        withdrawn makes room."""
        wanted = self.store.inspections(JobState.QUEUED, JobState.RUNNING)
        ids, ours = {job.id for job in wanted}, self.children.inspectors()
        for child in ours:
            if child.job_id not in ids and child.status is None:
                self.children.kill(child)
        known = {child.job_id for child in ours}
        waiting = [job.id for job in wanted if job.status is JobState.QUEUED and job.id not in known]
        for inspection_id in waiting[: max(0, MAX_INSPECTORS - len(ours))]:
            self.children.fork_inspector(inspection_id)

    def _start(self, run: QueuedRun) -> None:
        self._launched[run.owner] = max(run.launch, self._launched.get(run.owner, 0))
        self._turns[run.owner] = max(self._turns.values(), default=0) + 1
        niceness = self.usage.niceness(run.owner) - AHEAD
        child = self.children.fork_worker(run, self._kind_of(run), niceness)
        del self._kinds[run.id]
        log.info("Run %d started (process %d).", run.id, child.pid)

    def _disconnect(self) -> None:
        """Closes all connections: none to SQLite may be open across a fork, see `Database.close`."""
        if self._stamp_reader is not None:
            self._stamp_reader.close()
            self._stamp_reader = None
        self.store.close()

    # -- children that ended --------------------------------------------------------------------------------

    def _reap(self) -> bool:
        """Writes the end states of runs and jobs whose processes ended without doing so. Returns whether any has ended."""
        ended = self.children.reap()
        some = bool(ended)
        while ended:
            try:
                self._finalize(ended[0])
            except DBAPIError:
                self.children.keep(ended)  # try again when the database answers
                raise
            ended.pop(0)
        return some

    def _finalize(self, child: Child) -> None:
        if child.job != "run" or child.run_id is None:
            if not self.stopping:  # else the next supervisor starts it again
                self._finalize_job(child)
            return
        if child.was_busy:  # stays queued until the next check
            return
        try:
            run = self.store.run(child.run_id)
        except StoreError:  # deleted meanwhile
            return
        if run.status is RunState.INTERRUPTED:
            self.store.requeue_interrupted(run.id)
            log.info("Run %d saved a checkpoint and is queued again.", run.id)
        elif run.status is RunState.RUNNING and is_locked(self.settings.run_folder(run.id) / "lock"):
            log.info("Run %d left its worker before the end, and another process trains it.", run.id)
        elif run.status is RunState.RUNNING or (run.status is RunState.QUEUED and child.failed):
            self._lose(run, child.reason)
        else:
            log.info("Run %d: %s.", run.id, run.status)

    def _finalize_job(self, child: Child) -> None:
        """Fails a download or an inspection whose process ended without writing an end state. Searches go on with the next
        process."""
        if child.job == "inspection":
            self.store.finish_inspection(child.job_id, error=unanswered(child.code, child.reason))
        elif child.job == "search":
            if child.failed:
                log.warning("The process that drives searches ended: %s", child.reason)
        elif not self.store.download(child.job_id).is_over:
            self.store.finish_download(child.job_id, f"The download was ended: {child.reason}")

    def _lose(self, run: Run, reason: str) -> None:
        state = self.store.lost(run.id, run.attempt, reason)
        log.warning("The worker of run %d is lost: %s The run is %s.", run.id, reason, state)

    # -- hung workers, runs without a worker, the lock ------------------------------------------------------

    def _check_runs(self) -> None:
        self._hold_lock()
        for child in self.children.kill_hung():
            log.warning("The worker of run %s is hung and was killed.", child.run_id)
        for run in self.store.with_status(RunState.RUNNING, RunState.INTERRUPTED):
            if run.id not in {child.run_id for child in self.children.workers()}:
                self._adopt(run)
        if not self.children.searching and self.store.live_searches():
            self.children.fork_searcher()
            log.info("Searching.")

    def _hold_lock(self) -> None:
        """Takes the lock again where its connection broke, as when PostgreSQL was restarted; the workers train on meanwhile."""
        if self.lock.still_held():
            return
        if self.lock.acquire():
            log.info("The connection to the database broke; the lock on it is taken again.")
        else:
            log.error("The lock on the database is lost: another supervisor serves it now. Stopping.")
            self.stopping = True

    def _adopt(self, run: Run) -> None:
        """Queues a run that no child of this process trains, unless another process holds its lock."""
        locked = is_locked(self.settings.run_folder(run.id) / "lock")
        if locked:
            self._beats.pop(run.id, None)
            return
        if run.status is RunState.INTERRUPTED:
            self.store.requeue_interrupted(run.id)
            log.info("Run %d is queued again and continues from its checkpoint.", run.id)
            return
        # A lock file that nobody holds: the worker is gone. No lock file: it may be about to begin, or on another machine.
        patience = CHECK_INTERVAL / 2 if locked is False else MAX_SILENCE
        beat, now = (run.attempt, run.beat), time.monotonic()
        seen, since = self._beats.get(run.id, (None, now))
        if seen != beat:
            self._beats[run.id] = (beat, now)
        elif now - since >= patience:
            del self._beats[run.id]
            self._lose(run, "the process that trained it is gone.")

    # -- stopping -------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Tells the workers to save and leave, waits for them, and queues their runs for the next start."""
        if self.children:
            log.info("Stopping: %d processes save and leave.", len(self.children))
        deadline = time.monotonic() + GRACE
        while self.children:
            self.children.terminate()  # repeatedly: a child just forked may not handle the signal yet
            self._safely(self._reap)
            if time.monotonic() > deadline:
                log.warning("Some workers did not leave within %.0f s and are killed.", GRACE)
                self.children.kill()
                deadline += GRACE
            if self._trouble and not self.children.alive:
                break  # the database is out of reach; the next supervisor writes the end states
            self.children.wait(POLL)
            time.sleep(POLL)
        self._safely(lambda: self.store.set_supervisor("absent"))
        self._disconnect()
        log.info("Stopped.")

    # -- helpers --------------------------------------------------------------------------------------------

    def _safely(self, action: Callable[[], object]) -> None:
        """Does it; a failing database is logged once, and the next round tries again."""
        try:
            action()
        except DBAPIError as error:
            trouble = str(error.orig).splitlines()[0]
            if trouble != self._trouble:
                log.warning("The database reports %r; trying again.", trouble)
            self._trouble = trouble
            self._next_check = 0.0  # the lock comes first, before any run is started
        else:
            if self._trouble:
                log.info("The database answers again.")
            self._trouble = ""

    def _requeue_downloads(self) -> None:
        if requeued := self.store.requeue_downloads():
            log.info("%d unfinished downloads are queued again.", requeued)


def most_workers(settings: Settings) -> int:
    """Returns how many runs train at once at most. The memory of a GPU is not shared out as the machine's is, so beside one,
    no more train than there are workers."""
    import torch

    return settings.max_workers if torch.cuda.is_available() else settings.most_workers


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves the database that the environment names, until SIGTERM or SIGINT, and returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.processes.supervisor", description="Start and watch workers."
    )
    parser.add_argument("--server", type=int, metavar="PID", help="exit when this parent process is gone")
    server = parser.parse_args(arguments).server
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s supervisor: %(message)s", stream=sys.stderr
    )
    log.setLevel(logging.INFO)
    try:
        settings = get_settings()
        store = Store(settings.url)
    except (SettingsError, StoreError) as error:
        log.error("%s", error)
        return 2
    except DBAPIError as error:
        log.error("The database %s cannot be used: %s.", settings.url.split("@")[-1], error.orig)
        return 1
    lock = supervisor_lock(store)
    if not lock.acquire():
        log.info("Another supervisor serves this database already; nothing to do.")
        return 0
    supervisor = Supervisor(settings, store, lock, server)

    def stop(*_: object) -> None:
        supervisor.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    supervisor._safely(lambda: store.set_supervisor("starting"))
    prewarm()
    supervisor._safely(lambda: store.set_supervisor("ready"))
    log.info(
        "Ready: up to %d runs at once, database %s.",
        supervisor.most,
        store.engine.url.render_as_string(),
    )
    supervisor.run()
    lock.release()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # everything is written; torch's libraries would only log complaints about each other
