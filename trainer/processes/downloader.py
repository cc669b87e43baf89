"""A download job: fetches a data set in a process of its own and reports its progress to the store."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback

from sqlalchemy.exc import OperationalError

from trainer.processes.recorder import say
from trainer.processes.worker import sentence
from trainer.settings import Settings
from trainer.store import Store


def download_job(job_id: int, dataset: str, settings: Settings, parent: int) -> int:
    """Do the job in this process, which the supervisor has forked for it. Return the exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # what has arrived stays on disk and is used next time
    from trainer.data import download

    store = Store(settings.url)

    def report(done: int, total: int) -> None:
        if os.getppid() != parent:  # the supervisor is gone; its successor starts the job again
            os._exit(1)
        with contextlib.suppress(OperationalError):  # only a report; the next one follows in a moment
            store.progress_download(job_id, done, total)

    store.start_download(job_id)
    try:
        download(dataset, settings.data, report)
    except Exception as error:
        say(traceback.format_exc())
        store.finish_download(job_id, sentence(error))
    else:
        store.finish_download(job_id)
    return 0
