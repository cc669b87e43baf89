"""The process that answers one question: forked by the supervisor, so that torch is there already, and bounded in time
and memory, so that no question can harm the runs beside it."""

from __future__ import annotations

import contextlib
import resource
import signal
import traceback
from pathlib import Path

from trainer.processes.recorder import say
from trainer.settings import Settings
from trainer.store import Store

SECONDS = 20
"""The kernel ends the process after so long (SIGALRM), whatever it is doing, also when its supervisor is gone."""
MEMORY = 4 * 2**30
"""Bytes that an answer may take beside what the process was forked with."""


def inspect_job(inspection_id: int, settings: Settings) -> int:
    """Answer in this process. Return the exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    _limit_memory()
    from trainer.processes.inspection import answer

    store = Store(settings.url)
    job = store.start_inspection(inspection_id)
    if job is None:
        return 0
    try:
        found = answer(job.kind, job.question, settings)
    except Exception as error:
        store.finish_inspection(job.id, error=reason(error))
    else:
        store.finish_inspection(job.id, found)
    return 0


def reason(error: Exception) -> str:
    """What went wrong, for a person. The engine's own errors are sentences already."""
    if type(error).__module__.startswith("trainer."):
        return str(error)
    say(traceback.format_exc())
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return "This takes more memory than an inspection may. Try a smaller batch size or a smaller model."
    first = (str(error).strip().splitlines() or ["no details"])[0]
    return f"This could not be computed: {type(error).__name__}: {first}"


def unanswered(code: int, how: str) -> str:
    """The sentence about a question whose process left without an answer, with this exit code, in this way."""
    if code == -signal.SIGALRM:
        return (
            f"This took longer than {SECONDS} s and was ended. Try a smaller batch size, model or data set."
        )
    return f"This could not be computed: {how}"


def _limit_memory() -> None:
    """A greedy question fails by itself; should memory run out all the same, the kernel takes it before any run."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        Path("/proc/self/oom_score_adj").write_text("900")
        lines = Path("/proc/self/status").read_text().splitlines()
        present = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (present + MEMORY, hard))
