"""A worker: one process that trains one run, from its claim in the store to its end state.

Everything that people ask of it arrives as a row that it reads between two steps. SIGTERM, and the death of its
supervisor, mean: save an exact checkpoint and leave; the run goes on later, from there.
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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import OperationalError

from trainer.processes.recorder import LEAVE_SECONDS, Control, Recorder, RecordingError, say
from trainer.settings import Settings
from trainer.store import Store, Superseded
from trainer.store.file_lock import FileLock

if TYPE_CHECKING:
    from trainer.engine.report import Results

BUSY = 75  # exit code: another process still holds the run's lock (EX_TEMPFAIL)
UNRECORDED = 74  # exit code: points or the end could not be written (EX_IOERR)
LOG_BYTES = 1_000_000
NICENESS = 5  # pages and the answers that people wait for go first; a core that nobody else wants is a worker's as before
ENDS = {"stop": "stopped", "pause": "paused", "interrupt": "interrupted", "non_finite_loss": "failed"}
"""The status that a reason to end leads to; every other reason is a finish."""


class Pulse:
    """A counter in memory shared with the supervisor, moved on by a thread of the worker: it stands still only when
    the whole process does. Neither the database nor the system's clock has a part in it."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    def count(self) -> int:
        """The count now."""
        return int(struct.unpack("Q", self._memory[:])[0])

    def beat_forever(self, interval: float = 0.2) -> None:
        """Start the thread; in the worker."""

        def beat() -> None:
            while True:
                self._memory[:] = struct.pack("Q", self.count() + 1)
                time.sleep(interval)

        threading.Thread(target=beat, name="pulse", daemon=True).start()


def work(run_id: int, settings: Settings, parent: int, pulse: Pulse) -> int:
    """Train a queued run in this process, which the supervisor has forked for it. Return the exit code."""
    folder = settings.run_folder(run_id)
    control = Control()
    signal.signal(signal.SIGTERM, lambda *_: control.set("interrupt"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    os.nice(NICENESS)
    pulse.beat_forever()
    lock = FileLock(folder / "lock")
    if not lock.acquire():
        return BUSY
    _write_errors_to(folder / "worker.log")
    store = Store(settings.url)
    attempt = store.claim(run_id)
    if attempt is None:
        return 0
    code = train_attempt(store, run_id, attempt, settings, control, parent)
    store.close()
    return code


def train_attempt(
    store: Store, run_id: int, attempt: int, settings: Settings, control: Control, parent: int | None = None
) -> int:
    """Train a claimed run whose lock the caller holds, and write its end. Return the exit code."""
    recorder = Recorder(store, run_id, attempt, control, parent)
    end: dict[str, Any]
    try:
        with recorder:
            results = _train(store, run_id, settings, recorder, control)
        end = _end_of(results)
    except Superseded:
        return 0
    except RecordingError:
        if recorder.superseded:
            return 0
        _explain(parent)
        return UNRECORDED
    except Exception as error:
        _explain(parent)
        end = {"status": "failed", "error": sentence(error), "traceback": traceback.format_exc()}
    return _write_end(store, run_id, attempt, end)


def _explain(parent: int | None) -> None:
    """The present exception's traceback for the worker's log; a person at a terminal gets its sentence alone."""
    if parent is not None:
        say(traceback.format_exc())


def _train(store: Store, run_id: int, settings: Settings, recorder: Recorder, control: Control) -> Results:
    from trainer.config import RunConfig
    from trainer.engine.loop import train
    from trainer.engine.lr_finder import train_range_test
    from trainer.health.observer import HealthObserver

    config = RunConfig.parse(store.run(run_id).config)
    folder = settings.run_folder(run_id)
    how = train_range_test if config.technique("schedule").facts.get("probe") else train
    observe = partial(HealthObserver, recorder=recorder)
    return how(
        config,
        data_folder=settings.data,
        run_folder=folder,
        recorder=recorder,
        control=control,
        observe=observe,
    )


def _end_of(results: Results) -> dict[str, Any]:
    status = ENDS.get(results.stopped_by, "finished")
    return {"status": status, "results": results.to_dict(), "error": results.error}


def _write_end(store: Store, run_id: int, attempt: int, end: dict[str, Any]) -> int:
    """Write the end state, trying as long as the database is in trouble; not for ever when told to leave."""
    deadline = time.monotonic() + (LEAVE_SECONDS if end["status"] == "interrupted" else 3600)
    while True:
        try:
            store.finish(run_id, attempt, **end)
        except Superseded:
            return 0
        except OperationalError as error:
            if time.monotonic() > deadline:
                say(f"The end of run {run_id} could not be written: {error}")
                return UNRECORDED
            time.sleep(0.25)
        else:
            return 0


def sentence(error: Exception) -> str:
    """What went wrong, for a person. The engine's own errors are sentences already."""
    if type(error).__module__.startswith("trainer."):
        return str(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return "Memory ran out. Try a smaller model or a smaller batch size."
    first = str(error).strip().splitlines()[0] if str(error).strip() else "no details"
    return f"Training failed with {type(error).__name__}: {first}"


def _write_errors_to(path: Path) -> None:
    """Send this process's output to the run's log, which is begun anew when it has grown long."""
    with contextlib.suppress(OSError):  # a full disk must not keep a run from training
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.unlink()
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
