"""Folders for files on their way in: each is filled, checked and renamed or removed; what a killed process left is swept."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trainer.settings import Settings

STALE: Final = 3600.0  # seconds after which nobody can be filling a folder any more; checks are ended before


@contextlib.contextmanager
def staged(settings: Settings) -> Iterator[Path]:
    """Creates a new folder on the same disk as uploads and runs; removes it in the end, if it has not been renamed."""
    sweep(settings)
    folder = settings.uploads / "incoming" / secrets.token_hex(8)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(settings: Settings) -> None:
    """Removes the folders that processes which were killed have left, also those of versions that kept them elsewhere."""
    for old in (*(settings.uploads / "incoming").glob("*"), *settings.home.glob("incoming-*")):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > STALE:
                shutil.rmtree(old, ignore_errors=True)
