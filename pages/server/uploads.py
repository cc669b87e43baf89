"""Files on their way in: each visitor's current one, checked by a process of its own while pages go on being drawn."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from sqlalchemy.exc import DBAPIError

from trainer.data import DataError
from trainer.data.uploads import disk_bytes, find_manifest, remove_upload
from trainer.processes.sandboxed_reader import CancelledError, receive_file
from trainer.settings import get_settings
from trainer.store import Store, StoreError

LOG = logging.getLogger(__name__)
_jobs: dict[str, Job] = {}


@dataclass
class Job:
    """One file: how far it is, and how it ended. `digest` is set when it was taken in, `problem` when it was not."""

    name: str
    share: float = 0.0
    words: str = "Saving"
    digest: str = ""
    problem: str = ""
    cancel: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def report(self, share: float, words: str) -> None:
        """What the process says of its progress."""
        self.share, self.words = min(1.0, max(0.0, share)), words


def job_of(owner: str) -> Job | None:
    """The visitor's current file, or the last one until it is dismissed."""
    return _jobs.get(owner)


def dismiss(owner: str) -> None:
    """Forget how the last one ended."""
    _jobs.pop(owner, None)


def begin(store: Store, owner: str, name: str, file: BinaryIO, size: int) -> None:
    """Start to take a file in, unless one of the visitor's is on its way."""
    job = _jobs.get(owner)
    if job is not None and not job.ended.is_set():
        return
    _jobs[owner] = job = Job(name)
    if problem := over_quota(store, owner, size):
        job.problem = problem
        job.ended.set()
        return
    work: Callable[[], None] = lambda: _work(store, owner, job, file)  # noqa: E731
    threading.Thread(target=work, name="intake", daemon=True).start()


def over_quota(store: Store, owner: str, size: int, besides: str = "") -> str:
    """Why the visitor may not keep that many bytes more, in one sentence; empty when they may."""
    limit = get_settings().upload_quota_mb * 1_000_000
    kept = sum(upload.bytes for upload in store.uploads((owner,)) if upload.digest != besides)
    if kept + size <= limit:
        return ""
    return (
        f"Your files take {kept / 1e6:.0f} MB and this one {size / 1e6:.0f} MB; you may keep {limit / 1e6:.0f} MB. "
        "Delete one that you no longer need."
    )


def _work(store: Store, owner: str, job: Job, file: BinaryIO) -> None:
    """In a thread that waits for the checking process; it computes nothing itself."""
    try:
        digest = receive_file(file, get_settings(), job.report, job.cancel.is_set)
        job.problem = _enlist(store, owner, job.name, digest)
        job.digest = "" if job.problem else digest
    except CancelledError:
        _jobs.pop(owner, None)
    except (DataError, StoreError) as error:
        job.problem = str(error)
    except DBAPIError as error:
        LOG.warning("An upload could not be noted: %s", error)
        job.problem = "The database cannot be written to just now. Try again in a moment."
    except Exception:  # a thread's end must always be told
        LOG.exception("An upload failed")
        job.problem = "The file could not be taken in. Try again."
    finally:
        job.ended.set()


def _enlist(store: Store, owner: str, name: str, digest: str) -> str:
    """Put a checked file into the visitor's list; a sentence where its unpacked form is too large for that."""
    manifest, size = find_manifest(digest), disk_bytes(digest)
    if manifest is None:
        return "The file was taken in but is gone again. Try once more."
    problem = over_quota(store, owner, size, besides=digest)
    if problem:
        if store.is_orphan(digest):
            remove_upload(digest)
        return problem
    store.add_upload(owner, digest, name, manifest["kind"], size)
    return ""
