"""A worker: one process that trains one run, from its claim in the store to its end state, and with it replicates of the same
arm that wait for a worker (see mates.py).

It reads what people request of the run between two steps. On SIGTERM, and when its supervisor is gone, it saves an exact
checkpoint and leaves; the run continues later from there.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import OperationalError

from trainer.config import RunConfig
from trainer.engine.kept import folder_bytes
from trainer.lifecycle.requests import Request, RequestKind
from trainer.lifecycle.states import RunState
from trainer.processes.control import Control
from trainer.processes.limits import (
    held_to,
    limit_memory,
    require_disk,
    require_memory,
    require_points,
)
from trainer.processes.log import error_sentence, log_line, ran_out_of_memory
from trainer.processes.mates import Claim, claim_mates
from trainer.processes.process_memory import PeakMemory
from trainer.processes.quota import kept_room
from trainer.processes.recorder import LEAVE_SECONDS, Recorder, RecordingError
from trainer.processes.sharing.niceness import AHEAD, take_long_slices
from trainer.settings import MEGABYTE, Settings
from trainer.store import Store, Superseded
from trainer.store.file_lock import FileLock

if TYPE_CHECKING:
    from trainer.engine.build import BuiltRun
    from trainer.engine.loop import Trainer, Training
    from trainer.engine.report import Results

BUSY = 75  # exit code: another process still holds the run's lock (EX_TEMPFAIL)
UNRECORDED = 74  # exit code: points or the end state could not be written (EX_IOERR)
MAX_LOG_BYTES = 1_000_000
YIELD = signal.SIGUSR1
"""Tells a worker to save and make room for others. The supervisor ignores it, and so do its forks until they are ready."""
END_STATES = {
    RequestKind.STOP: RunState.STOPPED,
    RequestKind.PAUSE: RunState.PAUSED,
    RequestKind.INTERRUPT: RunState.INTERRUPTED,
    "non_finite_loss": RunState.FAILED,
}
"""The state that a run is left in, by what stopped it; anything else finishes it."""


class Pulse:
    """What a worker tells the supervisor through shared memory: whether it trains already, and a counter that a thread of it
    increments, which stops only when the whole process does. It depends neither on the database nor on the system's clock."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)

    def count(self) -> int:
        """Returns the count."""
        return int(struct.unpack("Q", self._memory[:8])[0])

    def begin(self) -> None:
        """Says that the first step is taken, from which on the run can make room for others; in the worker."""
        self._memory[8] = 1

    @property
    def has_begun(self) -> bool:
        """Whether the worker has taken its first step."""
        return bool(self._memory[8])

    def start(self, interval: float = 1.0) -> None:
        """Starts the thread; in the worker."""

        def beat() -> None:
            while True:
                self._memory[:8] = struct.pack("Q", self.count() + 1)
                time.sleep(interval)

        threading.Thread(target=beat, name="pulse", daemon=True).start()


def work(run_id: int, settings: Settings, parent: int, pulse: Pulse, niceness: int) -> int:
    """Trains a queued run in this process, which the supervisor has forked for it, and returns the exit code. The process has
    the `niceness` until its first step, and the thread that trains more from then on."""
    folder = settings.run_folder(run_id)
    controls = Controls()
    signal.signal(signal.SIGTERM, lambda *_: controls.interrupt())
    signal.signal(YIELD, lambda *_: controls.interrupt(yields=True))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    os.nice(niceness)
    pulse.start()
    lock = FileLock(folder / "lock")
    if not lock.acquire():
        return BUSY
    _redirect_output(folder / "worker.log")
    store = Store(settings.url)
    attempt = store.claim(run_id)
    if attempt is None:
        return 0
    settings = held_to(settings, store.run(run_id).limits)
    limit_memory(settings.max_worker_mb * MEGABYTE)

    def begin(control: Control) -> None:
        if not pulse.has_begun:
            os.nice(AHEAD)
            take_long_slices()
            if not control.starts_over:
                pulse.begin()

    def steps(claimed: Claim) -> Training[int]:
        control = controls.new()
        return attempt_steps(
            store,
            claimed.run_id,
            claimed.attempt,
            settings,
            control,
            parent=parent,
            lock=claimed.lock,
            begun=partial(begin, control),
        )

    def mates(trainer: Trainer) -> Iterator[Training[int]]:
        return map(steps, claim_mates(store, settings, run_id, trainer.run))

    from trainer.engine.stack.together import train_together

    code, *_ = train_together(steps(Claim(run_id, attempt, lock)), mates)
    store.close()
    return code


class Controls:
    """The controls of all runs that a worker trains."""

    def __init__(self) -> None:
        self._made: list[Control] = []
        self._leaving = self._yields = False

    def new(self) -> Control:
        """Returns one for another run."""
        control = Control()
        self._made.append(control)
        if self._leaving:
            self._leave(control)
        return control

    def interrupt(self, *, yields: bool = False) -> None:
        """Tells all runs to save and leave, where it `yields` to make room for others; safe in a signal handler."""
        self._leaving, self._yields = True, yields
        for control in self._made:
            self._leave(control)

    def _leave(self, control: Control) -> None:
        control.yields = self._yields
        control.request(Request(RequestKind.INTERRUPT))


def train_attempt(
    store: Store,
    run_id: int,
    attempt: int,
    settings: Settings,
    control: Control,
    *,
    parent: int | None = None,
    config: RunConfig | None = None,
) -> int:
    """Trains a claimed run whose lock the caller holds, writes its end state, and returns the exit code. A caller that has
    the run's configuration passes it on; otherwise it is read from the store."""
    from trainer.engine.loop import alone

    return alone(attempt_steps(store, run_id, attempt, settings, control, parent=parent, config=config))


def attempt_steps(
    store: Store,
    run_id: int,
    attempt: int,
    settings: Settings,
    control: Control,
    *,
    parent: int | None = None,
    config: RunConfig | None = None,
    lock: FileLock | None = None,
    begun: Callable[[], None] = lambda: None,
) -> Training[int]:
    """What `train_attempt` does around the steps themselves. Releases the `lock` at the end, where it is given; calls `begun`
    after the first step."""
    try:
        code = yield from _recorded_steps(store, run_id, attempt, settings, control, parent, config, begun)
    finally:
        if lock is not None:
            lock.release()
    return code


def _recorded_steps(
    store: Store,
    run_id: int,
    attempt: int,
    settings: Settings,
    control: Control,
    parent: int | None,
    config: RunConfig | None,
    begun: Callable[[], None],
) -> Training[int]:
    folder = settings.run_folder(run_id)

    def before_checkpoint() -> int:
        require_disk(folder, settings)
        return folder_bytes(folder)

    recorder = Recorder(store, run_id, attempt, control, parent, before_checkpoint, begun)
    end: dict[str, Any]
    try:
        with recorder:
            run = store.run(run_id)
            config = config or RunConfig.parse(run.config)
            require_points(config, settings, run.limits)
            settings = held_to(settings, run.limits)
            recorder.most_seconds = run.limits["run_seconds"] if run.limits else None
            room = cache(partial(kept_room, store, settings, run))
            results = yield from _steps(
                config, settings, folder, recorder, control, room=room, branched=run.parent_step is not None
            )
        end = _end_of(results, control)
    except Superseded:
        return 0
    except RecordingError:
        if recorder.superseded:
            return 0
        _log_traceback(parent)
        return UNRECORDED
    except Exception as error:
        _log_traceback(parent)
        reason = error_sentence(error, "Training")
        # Where memory ran out, the place in the code tells a person nothing.
        trace = None if ran_out_of_memory(error) else traceback.format_exc()
        end = {"status": RunState.FAILED, "error": reason, "traceback": trace}
    return _write_end(store, run_id, attempt, end | {"folder_bytes": folder_bytes(folder)})


def _log_traceback(parent: int | None) -> None:
    """Logs the current exception's traceback, but not in a terminal, where the sentence alone is shown."""
    if parent is not None:
        log_line(traceback.format_exc())


def _steps(
    config: RunConfig,
    settings: Settings,
    run_folder: Path,
    recorder: Recorder,
    control: Control,
    *,
    room: Callable[[], int],
    branched: bool,
) -> Training[Results]:
    from trainer.engine.loop import training
    from trainer.engine.lr_finder import train_range_test
    from trainer.health.observer import HealthObserver

    memory = PeakMemory()

    def observe(run: BuiltRun, after: int) -> HealthObserver:  # when all is built and nothing is trained yet
        require_memory(run, settings)
        return HealthObserver(run, after, recorder=recorder)

    around: dict[str, Any] = {
        "data_folder": settings.data,
        "run_folder": run_folder,
        "recorder": recorder,
        "control": control,
        "observe": observe,
    }
    if config.technique("schedule").facts.get("probe"):
        control.starts_over = True
        results = train_range_test(config, **around)
    else:
        results = yield from training(config, room=room, branched=branched, **around)
    if (taken := memory.bytes_on(results.device)) is not None:
        recorder.progress({"peak_memory": taken})
    return results


def _end_of(results: Results, control: Control) -> dict[str, Any]:
    status = END_STATES.get(results.stopped_by, RunState.FINISHED)
    if status is RunState.INTERRUPTED and control.yields:
        status = RunState.QUEUED
    return {"status": status, "results": results.to_dict(), "error": results.error}


def _write_end(store: Store, run_id: int, attempt: int, end: dict[str, Any]) -> int:
    """Writes the end state, again and again while the database fails; only for some seconds when told to leave."""
    interrupted = end["status"] in (RunState.INTERRUPTED, RunState.QUEUED)
    deadline = time.monotonic() + (LEAVE_SECONDS if interrupted else 3600)
    while True:
        try:
            store.finish(run_id, attempt, **end)
        except Superseded:
            return 0
        except OperationalError as error:
            if time.monotonic() > deadline:
                log_line(f"The end state of run {run_id} could not be written: {error}")
                return UNRECORDED
            time.sleep(0.25)
        else:
            return 0


def _redirect_output(path: Path) -> None:
    """Sends this process's output to the run's log; one that has grown too long is deleted first."""
    with contextlib.suppress(OSError):  # a full disk must not keep a run from training
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.unlink()
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
