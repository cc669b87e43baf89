"""Copies of runs and comparisons in another space: what an export holds, imported there."""

from __future__ import annotations

import tempfile

from trainer.export.bundle import write_bundle
from trainer.export.collection import write_comparison
from trainer.export.imported_collection import import_file
from trainer.settings import Settings
from trainer.store import Imported, Store


def copy_run(store: Store, settings: Settings, run_id: int, *, by: str) -> Imported:
    """Copies a run into the store's space, as it is now: with its curves, its weights and the right to its file. Raises
    StoreError and BundleError, and then nothing has changed."""
    run = store.run(run_id)
    with tempfile.TemporaryFile() as file:
        write_bundle(store, settings, run, file)
        file.seek(0)
        imported = import_file(store, settings, file, by)
    if digest := (run.config.get("data") or {}).get("file"):
        store.share_upload(str(digest), by=by)
    return imported


def copy_comparison(store: Store, settings: Settings, comparison_id: int, *, by: str) -> Imported:
    """Copies a comparison with its runs; see `copy_run`."""
    with tempfile.TemporaryFile() as file:
        write_comparison(store, settings, comparison_id, file)
        file.seek(0)
        imported = import_file(store, settings, file, by)
    digests = {(one.run.config.get("data") or {}).get("file") for one in store.members(comparison_id)}
    for digest in digests - {None}:
        store.share_upload(str(digest), by=by)
    return imported
