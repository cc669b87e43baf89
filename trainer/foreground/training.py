"""A run that trains in this process."""

from __future__ import annotations

from trainer.config import RunConfig
from trainer.foreground.progress import step_bar
from trainer.lifecycle.states import RunState
from trainer.processes.control import Control
from trainer.processes.worker import train_attempt
from trainer.settings import Settings
from trainer.store import COMMAND_LINE, Store, StoreError
from trainer.store.file_lock import FileLock, is_locked


class UnrecordedError(Exception):
    """A run has trained, but its end could not be written; the text is a sentence."""


def train_here(
    store: Store,
    settings: Settings,
    run_id: int,
    attempt: int,
    control: Control,
    *,
    config: RunConfig | None = None,
    visible: bool,
) -> None:
    """Trains a claimed run until its end or a request, with a progress bar where it is `visible`. Raises StoreError where another
    process trains it, and UnrecordedError."""
    lock = FileLock(settings.run_folder(run_id) / "lock")
    if not lock.acquire():
        raise StoreError(f"Run {run_id} is being trained by another process.")
    try:
        with step_bar(store, run_id, visible):
            code = train_attempt(store, run_id, attempt, settings, control, config=config)
    finally:
        lock.release()
    if code:
        raise UnrecordedError(
            f"The end state of run {run_id} could not be written. Resume the run once the database can be written to."
        )


def claim_again(store: Store, settings: Settings, run_id: int) -> int | None:
    """Resumes a run that was stopped, paused or killed, and claims it for this process: returns the attempt, or None where a
    supervisor was faster. Raises StoreError for a run that has finished."""
    reap_dead_worker(store, settings, run_id)
    store.resume(run_id, by=COMMAND_LINE)
    return store.claim(run_id)


def reap_dead_worker(store: Store, settings: Settings, run_id: int) -> None:
    """Ends the attempt of a worker that was killed, where no supervisor did: nobody holds the run's lock."""
    run = store.run(run_id)
    if run.status is RunState.RUNNING and is_locked(settings.run_folder(run_id) / "lock") is False:
        store.lost(run_id, run.attempt, "the process that trained it is gone.")
