"""The supervisor: `python -m trainer.processes.supervisor` starts a worker for each queued run and looks after them.

One serves a database; a second start says so and leaves. It imports torch once, so that a fork of it begins to train
at once. It never trains itself, holds no state that the database does not hold, and may be killed at any moment.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

from sqlalchemy.exc import DBAPIError

from trainer.processes.inspector import unanswered
from trainer.processes.launcher import Child, Children
from trainer.settings import Settings, SettingsError, get_settings
from trainer.store import Run, Store, StoreError
from trainer.store.database import Watch
from trainer.store.file_lock import is_locked
from trainer.store.supervisor_lock import Guard, supervisor_guard

POLL = 0.025
"""Seconds between two looks at the database's change stamp."""
CARE_INTERVAL = 0.5
"""Seconds between two looks for hung workers and for runs whose process is gone."""
SILENCE = 3.0
"""Seconds without a beat after which a run that nobody here trains is taken for lost."""
INSPECTORS = 2
"""Questions that are answered at once, beside the runs: each takes a moment, and somebody waits for it."""
GRACE = 15.0
"""Seconds that workers have to save and leave when the supervisor stops; less than the web server waits for it."""

WORKER_IMPORTS = ("trainer.engine.loop", "trainer.health.observer", "trainer.processes.inspection")

log = logging.getLogger("trainscope.supervisor")


def next_run(queued: Sequence[Run], training: Sequence[str], served: dict[str, int]) -> Run | None:
    """The run to start next. Owners take turns: first whoever has the fewest runs in training, then whoever was
    served longest ago (`served`: owner → number of the turn); within an owner first come, first served."""

    def turn(run: Run) -> tuple[int, int, int]:
        return training.count(run.owner), served.get(run.owner, -1), run.place

    return min(queued, key=turn, default=None)


class Supervisor:
    """The loop of the process. `guard` is held already."""

    def __init__(self, settings: Settings, store: Store, guard: Guard, server: int | None = None) -> None:
        self.settings, self.store, self.guard, self.server = settings, store, guard, server
        self.children = Children(settings, self._disconnect, guard.abandon)
        self.stopping = False
        self._watch: Watch | None = None
        self._stamp = -1
        self._turns: dict[str, int] = {}
        self._beats: dict[int, tuple[tuple[int, int], float]] = {}
        self._care_at = 0.0
        self._trouble = ""

    def run(self) -> None:
        """Serve until `stopping` is set (SIGTERM, SIGINT), the lock is lost, or the server that started it is gone."""
        self._safely(lambda: self._note(self.store.requeue_downloads()))
        self._safely(self.store.requeue_inspections)
        while not (self.stopping or self._abandoned()):
            self._safely(self._serve_once)
            self.children.wait(POLL if not self._trouble else CARE_INTERVAL)
        self._stop()

    def _abandoned(self) -> bool:
        """A killed server cannot say goodbye; its successor starts a supervisor of its own, perhaps a newer one."""
        return self.server is not None and os.getppid() != self.server

    # -- one round ------------------------------------------------------------------------------------------

    def _serve_once(self) -> None:
        self._bury_all()
        care = time.monotonic() >= self._care_at
        if care:  # first, so that runs taken up again come before those that were queued after them
            self._care_at = time.monotonic() + CARE_INTERVAL
            self._care()
        stamp = self._read_stamp()
        if stamp != self._stamp or care:
            self._stamp = stamp
            self._answer_questions()
            self._start_queued()

    def _read_stamp(self) -> int:
        if self._watch is None:
            self._watch = self.store.watch()
        return self._watch.stamp()

    def _start_queued(self) -> None:
        training = [child.owner for child in self.children.workers()]
        if len(training) < self.settings.max_workers:
            waiting = self._startable()
            while len(training) < self.settings.max_workers and (
                run := next_run(waiting, training, self._turns)
            ):
                self._start(run)
                training.append(run.owner)
                waiting.remove(run)
        if not self.children.downloading and (jobs := self.store.downloads("queued")):
            self.children.fork_download(jobs[0].id, jobs[0].dataset)
            log.info("Downloading %s.", jobs[0].dataset)

    def _answer_questions(self) -> None:
        """People wait for these while they look at the page: each starts at once, beside the runs, a few at a time.
        One that was withdrawn, because its asker moved on, makes room."""
        wanted = self.store.inspections("queued", "running")
        ids, ours = {job.id for job in wanted}, self.children.inspectors()
        for child in ours:
            if child.job_id not in ids and child.status is None:
                self.children.kill(child)
        known = {child.job_id for child in ours}
        waiting = [job.id for job in wanted if job.status == "queued" and job.id not in known]
        for inspection_id in waiting[: max(0, INSPECTORS - len(ours))]:
            self.children.fork_inspector(inspection_id)

    def _startable(self) -> list[Run]:
        """Queued runs that no process holds any more; one may still be on its way out."""
        ours = {child.run_id for child in self.children.workers()}
        waiting = [run for run in self.store.queued() if run.id not in ours]
        return [run for run in waiting if not is_locked(self.settings.run_folder(run.id) / "lock")]

    def _start(self, run: Run) -> None:
        self._turns[run.owner] = max(self._turns.values(), default=0) + 1
        child = self.children.fork_worker(run.id, run.owner)
        log.info("Run %d started (process %d).", run.id, child.pid)

    def _disconnect(self) -> None:
        """No SQLite connection may be open across a fork, see `Database.close`."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        self.store.close()

    # -- workers that ended ---------------------------------------------------------------------------------

    def _bury_all(self) -> None:
        """Find out what became of the runs of children that are gone; act for those that left without a word."""
        ended = self.children.reap()
        while ended:
            try:
                self._settle(ended[0])
            except DBAPIError:
                self.children.keep(ended)  # try again when the database answers
                raise
            ended.pop(0)

    def _settle(self, child: Child) -> None:
        if child.job != "run" or child.run_id is None:
            if not self.stopping:  # else the next start takes it up
                self._settle_job(child)
            return
        if child.was_busy:  # stays queued; looked at again with the next care
            return
        try:
            run = self.store.run(child.run_id)
        except StoreError:  # deleted meanwhile
            return
        if run.status == "interrupted":
            self.store.requeue_interrupted(run.id)
            log.info("Run %d left with a checkpoint and is queued again.", run.id)
        elif run.status == "running" or (run.status == "queued" and child.failed):
            self._report(run, self.store.lost(run.id, run.attempt, child.reason), child.reason)
        else:
            log.info("Run %d: %s.", run.id, run.status)

    def _settle_job(self, child: Child) -> None:
        """A download or an inspection whose process left without writing its end has failed."""
        if child.job == "inspection":
            self.store.finish_inspection(child.job_id, error=unanswered(child.code, child.reason))
        elif self.store.download(child.job_id).status in ("queued", "running"):
            self.store.finish_download(child.job_id, f"The download was ended: {child.reason}")

    def _report(self, run: Run, status: str, reason: str) -> None:
        log.warning("The worker of run %d is lost: %s The run is %s.", run.id, reason, status)

    # -- hung workers, orphans, the lock --------------------------------------------------------------------

    def _care(self) -> None:
        for child in self.children.kill_hung():
            log.warning("The worker of run %s stands still and is ended.", child.run_id)
        for run in self.store.with_status("running", "interrupted"):
            if run.id not in {child.run_id for child in self.children.workers()}:
                self._adopt(run)
        if not self.guard.still_held():
            log.error("The lock on the database is lost; leaving, so that another supervisor can serve it.")
            self.stopping = True

    def _adopt(self, run: Run) -> None:
        """A run that no child of ours trains: leave it to whoever holds its lock, else queue it."""
        locked = is_locked(self.settings.run_folder(run.id) / "lock")
        if locked:
            self._beats.pop(run.id, None)
            return
        if run.status == "interrupted":
            self.store.requeue_interrupted(run.id)
            log.info("Run %d is queued again and goes on from its checkpoint.", run.id)
            return
        # A lock file without a holder: gone. No lock file: perhaps about to begin, or on another machine; listen.
        patience = CARE_INTERVAL / 2 if locked is False else SILENCE
        beat, now = (run.attempt, run.beat), time.monotonic()
        seen, since = self._beats.get(run.id, (None, now))
        if seen != beat:
            self._beats[run.id] = (beat, now)
        elif now - since >= patience:
            del self._beats[run.id]
            reason = "the process that trained it is gone."
            self._report(run, self.store.lost(run.id, run.attempt, reason), reason)

    # -- stopping -------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Ask the workers to save and leave, wait for them, queue their runs for the next start."""
        if self.children:
            log.info("Stopping: %d processes save and leave.", len(self.children))
        deadline = time.monotonic() + GRACE
        while self.children:
            self.children.terminate()  # again and again: a child just forked may not listen yet
            self._safely(self._bury_all)
            if time.monotonic() > deadline:
                log.warning("Some workers did not leave in %.0f s and are ended.", GRACE)
                self.children.kill()
                deadline += GRACE
            if self._trouble and not self.children.alive:
                break  # the database is out of reach; the next start sorts it out
            self.children.wait(POLL)
            time.sleep(POLL)
        self._safely(lambda: self.store.set_supervisor("absent"))
        self._disconnect()
        log.info("Stopped.")

    # -- helpers --------------------------------------------------------------------------------------------

    def _safely(self, action: Callable[[], object]) -> None:
        """Do it; a database in trouble is said once and tried again in the next round."""
        try:
            action()
        except DBAPIError as error:
            trouble = str(error.orig).splitlines()[0]
            if trouble != self._trouble:
                log.warning("The database says %r; trying again.", trouble)
            self._trouble = trouble
        else:
            if self._trouble:
                log.info("The database answers again.")
            self._trouble = ""

    @staticmethod
    def _note(requeued: int) -> None:
        if requeued:
            log.info("%d unfinished downloads are queued again.", requeued)


def prewarm() -> None:
    """Import what a worker needs, and make torch's lazy imports happen now: forks share all of it."""
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # CUDA must not be initialized before a fork
    import sklearn.datasets
    import sklearn.model_selection  # noqa: F401 (both: what reading and splitting the data would wait for)
    import torch

    torch.set_num_threads(1)  # one thread a worker, as many workers as cores
    torch.set_num_interop_threads(1)
    import torch._dynamo  # an optimizer's first construction imports it: a second, if left to the worker

    for name in WORKER_IMPORTS:
        importlib.import_module(name)
    weight = torch.nn.Parameter(torch.zeros(1))
    torch.optim.AdamW([weight]).step()
    with torch.no_grad():
        torch.nn.functional.cross_entropy(
            torch.nn.Linear(4, 2)(torch.zeros(2, 4)), torch.zeros(2, dtype=torch.long)
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the database that the environment names, until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.processes.supervisor", description="Start and watch workers."
    )
    parser.add_argument("--server", type=int, metavar="PID", help="leave when this parent process is gone")
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
    guard = supervisor_guard(store)
    if not guard.acquire():
        log.info("Another supervisor serves this database already; nothing to do.")
        return 0
    supervisor = Supervisor(settings, store, guard, server)

    def stop(*_: object) -> None:
        supervisor.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    supervisor._safely(lambda: store.set_supervisor("starting"))
    prewarm()
    supervisor._safely(lambda: store.set_supervisor("ready"))
    log.info(
        "Ready: up to %d runs at once, database %s.",
        settings.max_workers,
        store.engine.url.render_as_string(),
    )
    supervisor.run()
    guard.release()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # all is written; torch's libraries would spend the time on complaints about each other
