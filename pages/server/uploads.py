"""Keeps uploads under way: one per visitor, checked by a process of its own while pages go on being drawn."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import BinaryIO

from sqlalchemy.exc import DBAPIError

from trainer.data import DataError
from trainer.data.uploads import disk_bytes, find_manifest, remove_upload
from trainer.processes.quota import over_quota
from trainer.processes.sandboxed_reader import receive_file
from trainer.processes.turns import CancelledError
from trainer.settings import get_settings
from trainer.store import Store, StoreError

LOG = logging.getLogger(__name__)


@dataclass
class PendingUpload:
    """One file: its progress, and how it ended. `digest` is set once it is uploaded, `problem` when it cannot be."""

    name: str
    fraction: float = 0.0
    activity: str = "Saving"
    digest: str = ""
    problem: str = ""
    cancel: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def report(self, fraction: float, activity: str) -> None:
        """Records the progress of the checking process."""
        self.fraction, self.activity = min(1.0, max(0.0, fraction)), activity


_pending: dict[str, PendingUpload] = {}


def pending_upload(owner: str) -> PendingUpload | None:
    """Returns the visitor's upload under way, or the last one until it is dismissed."""
    return _pending.get(owner)


def dismiss_upload(owner: str, upload: PendingUpload) -> None:
    """Forgets how an upload of the visitor ended, but not one that they have started since: a click may come twice."""
    if _pending.get(owner) is upload:
        del _pending[owner]


def start_upload(store: Store, owner: str, name: str, file: BinaryIO, size: int) -> bool:
    """Checks and keeps a file, in a thread. Returns False, and does nothing, while another upload of the visitor is under
    way."""
    current = _pending.get(owner)
    if current is not None and not current.ended.is_set():
        return False
    _pending[owner] = upload = PendingUpload(name)
    if problem := over_quota(store, get_settings(), owner, size):
        upload.problem = problem
        upload.ended.set()
        return True
    threading.Thread(target=_run, args=(store, owner, upload, file), name="upload", daemon=True).start()
    return True


def _run(store: Store, owner: str, upload: PendingUpload, file: BinaryIO) -> None:
    """Waits for the checking process and records how the upload ended. Runs in a thread."""
    try:
        digest = receive_file(file, get_settings(), upload.report, upload.cancel.is_set, owner)
        upload.problem = _add_to_list(store, owner, upload.name, digest)
        upload.digest = "" if upload.problem else digest
    except CancelledError:
        dismiss_upload(owner, upload)
    except (DataError, StoreError) as error:
        upload.problem = str(error)
    except DBAPIError as error:
        LOG.warning("An upload could not be recorded: %s", error)
        upload.problem = "The database cannot be written to just now. Try again in a moment."
    except Exception:  # without a problem the page would wait for this thread indefinitely
        LOG.exception("An upload failed")
        upload.problem = "An error on this server stopped the upload. Try again."
    finally:
        upload.ended.set()


def _add_to_list(store: Store, owner: str, name: str, digest: str) -> str:
    """Adds a checked file to the visitor's list; returns a sentence where its unpacked form exceeds the quota."""
    manifest, size = find_manifest(digest), disk_bytes(digest)
    if manifest is None:
        return "The file was deleted while it was uploaded. Upload it again."
    problem = over_quota(store, get_settings(), owner, size, besides=digest)
    if problem:
        if store.is_orphan(digest):
            remove_upload(digest)
        return problem
    store.add_upload(owner, digest, name, manifest["kind"], size)
    return ""
