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
from collections.abc import Callable, Sequence

from sqlalchemy.exc import DBAPIError

from trainer.lifecycle.states import JobState, RunState
from trainer.processes.allocation import Allocation
from trainer.processes.inspector import unanswered
from trainer.processes.launcher import Child, Children
from trainer.processes.prewarm import prewarm
from trainer.settings import Settings, SettingsError, get_settings
from trainer.store import Run, Store, StoreError
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
        self.allocation = Allocation(settings, store, self.children)
        self._stamp_reader: StampReader | None = None
        self._stamp = -1
        self._work: tuple[int, ...] = ()
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
            self.allocation.measure()
        if self._has_new_work() or check or ended:
            self._answer_questions()
            self.allocation.share()
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
        supervisor.allocation.most,
        store.engine.url.render_as_string(),
    )
    supervisor.run()
    lock.release()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # everything is written; torch's libraries would only log complaints about each other
