"""Copies of runs and comparisons in another space: what an export holds, imported there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from trainer.export.bundle import write_bundle
from trainer.export.collection import write_comparison
from trainer.export.imported_collection import import_file
from trainer.settings import Settings
from trainer.store import Imported, Run, Store


def copy_run(store: Store, settings: Settings, run_id: int, *, by: str) -> Imported:
    """Copies a run into the store's space, as it is now: with its curves, its weights and the right to its file. Raises
    StoreError and BundleError, and then nothing has changed."""
    run = store.run(run_id)
    with tempfile.TemporaryFile() as file, _shared_files(store, [run], by):
        write_bundle(store, settings, run, file)
        file.seek(0)
        return import_file(store, settings, file, by)


def copy_comparison(store: Store, settings: Settings, comparison_id: int, *, by: str) -> Imported:
    """Copies a comparison with its runs; see `copy_run`."""
    runs = [one.run for one in store.members(comparison_id)]
    with tempfile.TemporaryFile() as file, _shared_files(store, runs, by):
        write_comparison(store, settings, comparison_id, file)
        file.seek(0)
        return import_file(store, settings, file, by)


@contextmanager
def _shared_files(store: Store, runs: Iterable[Run], by: str) -> Iterator[None]:
    """Adds the files that runs trained on to the list of the store's space, and takes them off it where the copy fails."""
    there = {one.digest for one in store.uploads([store.space or by])}
    named = {(run.config.get("data") or {}).get("file") for run in runs}
    added = []
    try:
        for digest in map(str, named - there - {None}):
            store.share_upload(digest, by=by)
            added.append(digest)
        yield
    except BaseException:
        for digest in added:
            store.remove_upload(digest, by=by)
        raise
