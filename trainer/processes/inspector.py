"""The process that answers one question: forked by the supervisor, so that torch is loaded already, and limited in time
and memory, so that no question can harm the runs beside it."""

from __future__ import annotations

import signal
import traceback

from trainer.processes.limits import limit_memory
from trainer.processes.log import error_sentence, is_sentence, log_line
from trainer.settings import Settings
from trainer.store import Store

MAX_SECONDS = 20
"""After this time the kernel ends the process (SIGALRM), whatever it is doing, even when its supervisor is gone."""
MAX_MEMORY = 4 * 2**30
"""Bytes that an answer may take beyond what the process was forked with."""


def inspect_job(inspection_id: int, settings: Settings) -> int:
    """Answers in this process and returns the exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(MAX_SECONDS)
    # Should the machine's memory run out all the same, the kernel kills this process before any run.
    limit_memory(MAX_MEMORY, sacrifice=900)
    from trainer.processes.inspection import answer

    store = Store(settings.url)
    job = store.start_inspection(inspection_id)
    if job is None:
        return 0
    try:
        found = answer(job.kind, job.question, settings)
    except Exception as error:
        if not is_sentence(error):
            log_line(traceback.format_exc())
        store.finish_inspection(job.id, error=error_sentence(error, "The inspection"))
    else:
        store.finish_inspection(job.id, found)
    return 0


def unanswered(code: int, how: str) -> str:
    """Returns the sentence about a question whose process ended without an answer, with this exit code, in this way."""
    if code == -signal.SIGALRM:
        return f"This took longer than {MAX_SECONDS} s and was ended. Try a smaller batch size, model or data set."
    return f"This could not be computed: {how}"
