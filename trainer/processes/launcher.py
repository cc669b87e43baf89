"""The supervisor's child processes: forking, reaping, and finding the hung ones."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal

from trainer.processes.inspector import inspect_job
from trainer.processes.log import log_line
from trainer.processes.sharing.policy import MOST_PREPARATION, InTraining
from trainer.processes.worker import BUSY, YIELD, Pulse, work
from trainer.settings import Settings
from trainer.store import QueuedRun

HUNG_SECONDS = 4.0
"""A worker whose pulse stops for so long, by this process's own clock, is hung and is killed."""
_LONG_ROUND = (
    1.0  # after such a pause between two checks it was this process that stopped, so no worker is called hung
)


@dataclass
class Child:
    """One child process: the worker of a run, or that of a download or an inspection (with its `job_id`), or of all searches."""

    pid: int
    owner: str = ""
    run_id: int | None = None
    job_id: int = 0
    job: Literal["run", "download", "inspection", "search"] = "run"
    pulse: Pulse = field(default_factory=Pulse)
    status: int | None = None
    queued: QueuedRun | None = None
    kind: str = ""
    leaving: bool = False
    forked: float = field(default_factory=time.monotonic)
    begun: float | None = None
    _seen: tuple[int, float] = (-1, 0.0)

    @property
    def failed(self) -> bool:
        """Whether it was ended by a signal or with an error."""
        return self.status not in (None, 0)

    def in_training(self, turn: float) -> InTraining:
        """Returns what decides whether the run goes on training. A turn lasts so many seconds, or longer where beginning took
        long."""
        now = time.monotonic()
        if self.begun is None and self.pulse.has_begun:
            self.begun = now
        trained = None if self.begun is None else now - self.begun
        turn = max(turn, ((self.begun or now) - self.forked) / MOST_PREPARATION)
        launch, comparison = (self.queued.launch, self.queued.comparison) if self.queued else (0, None)
        return InTraining(self.run_id or 0, self.owner, launch, comparison, trained, turn, self.leaving)

    @property
    def was_busy(self) -> bool:
        """Whether it left at once, because an earlier worker still holds the run's lock."""
        return self.status is not None and self.code == BUSY

    @property
    def code(self) -> int:
        """The exit code; minus the signal's number where one ended it."""
        return os.waitstatus_to_exitcode(self.status or 0)

    @property
    def reason(self) -> str:
        """How it ended, as the second half of a sentence."""
        code = self.code
        if code == -signal.SIGKILL:
            return "its process was killed by SIGKILL (often because memory ran out)."
        if code < 0:
            return f"its process was ended by {signal.Signals(-code).name}."
        return f"its process ended with code {code}; see the run's worker.log."

    def is_hung(self, now: float) -> bool:
        """Returns whether the pulse has stopped for too long."""
        count = self.pulse.count()
        if count != self._seen[0]:
            self._seen = (count, now)
        return now - self._seen[1] > HUNG_SECONDS


class Children:
    """All children that have not been reaped, and those whose end the store does not know yet (`keep`)."""

    def __init__(
        self, settings: Settings, before_fork: Callable[[], None], after_fork: Callable[[], None]
    ) -> None:
        """`before_fork` is called in the parent, `after_fork` in the child."""
        self._settings, self._before_fork, self._after_fork = settings, before_fork, after_fork
        self._children: dict[int, Child] = {}
        self._ended: list[Child] = []
        self._checked_at = time.monotonic()
        # Signals wake the wait below at once: a worker's end is acted on without delay.
        self._wake, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(YIELD, signal.SIG_IGN)  # until a worker is ready for it

    def __len__(self) -> int:
        return len(self._children) + len(self._ended)

    @property
    def alive(self) -> bool:
        """Whether any process is alive."""
        return bool(self._children)

    def workers(self) -> list[Child]:
        """Returns the children that train."""
        return [child for child in self._all() if child.run_id is not None]

    @property
    def downloading(self) -> bool:
        """Whether a download is under way."""
        return any(child.job == "download" for child in self._all())

    @property
    def searching(self) -> bool:
        """Whether the process that drives searches is there."""
        return any(child.job == "search" for child in self._all())

    def inspectors(self) -> list[Child]:
        """Returns the children that answer a question."""
        return [child for child in self._all() if child.job == "inspection"]

    def fork_worker(self, run: QueuedRun, kind: str, niceness: int) -> Child:
        """Starts a worker, this nice to others. `kind` decides how much memory it will hold."""
        pulse, parent = Pulse(), os.getpid()
        pid = self._fork(lambda: work(run.id, self._settings, parent, pulse, niceness))
        return self._add(Child(pid, run.owner, run.id, pulse=pulse, queued=run, kind=kind))

    def fork_download(self, job_id: int, dataset: str) -> Child:
        """Starts a download."""
        parent = os.getpid()

        def job() -> int:
            from trainer.processes.downloader import download_job

            return download_job(job_id, dataset, self._settings, parent)

        return self._add(Child(self._fork(job), job_id=job_id, job="download"))

    def fork_inspector(self, inspection_id: int) -> Child:
        """Starts a process that answers one question."""
        pid = self._fork(lambda: inspect_job(inspection_id, self._settings))
        return self._add(Child(pid, job_id=inspection_id, job="inspection"))

    def fork_searcher(self) -> Child:
        """Starts the process that drives searches."""
        parent = os.getpid()

        def job() -> int:
            from trainer.processes.searcher import search_job

            return search_job(self._settings, parent)

        return self._add(Child(self._fork(job), job="search"))

    def reap(self) -> list[Child]:
        """Returns the children that have ended since the last call."""
        for child in list(self._children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                child.status = status
                self._ended.append(self._children.pop(pid))
        ended, self._ended = self._ended, []
        return ended

    def keep(self, ended: list[Child]) -> None:
        """Makes the next `reap` return them again."""
        self._ended.extend(ended)

    def kill_hung(self) -> list[Child]:
        """Kills the workers whose pulse has stopped, and returns them; `reap` finds them soon after."""
        now, before = time.monotonic(), self._checked_at
        self._checked_at = now
        if now - before > _LONG_ROUND:
            for child in self._children.values():
                child._seen = (-1, now)
            return []
        hung = [child for child in self._children.values() if child.run_id is not None and child.is_hung(now)]
        if hung:
            self.kill(*hung)
        return hung

    def make_room(self, run_ids: Collection[int]) -> list[Child]:
        """Tells the workers of these runs to save and make room, and returns those that are told for the first time. A signal
        that comes before a worker is ready is lost, so those that have not left are told again."""
        told = []
        for child in self._children.values():
            if child.run_id in run_ids and not child.leaving:
                child.leaving = True
                told.append(child)
            if child.leaving:
                self._signal(child, YIELD)
        return told

    def terminate(self) -> None:
        """Tells all to save and leave."""
        for child in self._children.values():
            self._signal(child, signal.SIGTERM)

    def kill(self, *some: Child) -> None:
        """Kills these; none given: all."""
        for child in some or tuple(self._children.values()):
            self._signal(child, signal.SIGKILL)

    def wait(self, seconds: float) -> None:
        """Waits until a signal arrives, at most so long."""
        with contextlib.suppress(InterruptedError):
            if select.select([self._wake], [], [], seconds)[0]:
                os.read(self._wake, 4096)

    def _all(self) -> list[Child]:
        return [*self._children.values(), *self._ended]

    def _add(self, child: Child) -> Child:
        child._seen = (-1, time.monotonic())
        self._children[child.pid] = child
        return child

    def _fork(self, job: Callable[[], int]) -> int:
        self._before_fork()
        gc.freeze()  # the collector would touch, and so copy, every page that parent and child share
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._after_fork()
            code = job()
        except BaseException:
            log_line(traceback.format_exc())
        finally:
            os._exit(code)  # never return into the supervisor's stack, nor run its cleanup

    @staticmethod
    def _signal(child: Child, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)
