"""The process that downloads a data set and reports its progress to the store."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback

from sqlalchemy.exc import OperationalError

from trainer.processes.log import error_sentence, log_line
from trainer.settings import Settings
from trainer.store import Store


def download_job(job_id: int, dataset: str, settings: Settings, parent: int) -> int:
    """Downloads in this process, which the supervisor has forked for it, and returns the exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # finished files stay on disk and are used next time
    from trainer.data import download

    store = Store(settings.url)

    def report(done: int, total: int) -> None:
        if os.getppid() != parent:  # the supervisor is gone; the next one starts the job again
            os._exit(1)
        with contextlib.suppress(OperationalError):  # the next report follows in a moment
            store.progress_download(job_id, done, total)

    store.start_download(job_id)
    try:
        download(dataset, settings.data, report)
    except Exception as error:
        log_line(traceback.format_exc())
        store.finish_download(job_id, error_sentence(error, "The download"))
    else:
        store.finish_download(job_id)
    return 0
