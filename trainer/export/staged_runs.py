"""Runs on their way in: read and found to be in order, laid out on the disk, and then added to the store together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainer.lifecycle.hot_knobs import KnobChange
from trainer.settings import Settings
from trainer.store import Batch, EndedRun, Imported, ImportedComparison, Store


@dataclass(frozen=True)
class Incoming:
    """A run that was read and found to be in order."""

    values: dict[str, Any]
    changes: list[KnobChange]
    batches: list[Batch]
    files: dict[str, bytes]

    @property
    def bytes(self) -> int:
        """What the run will take on disk."""
        return sum(batch.rows.nbytes for batch in self.batches) + sum(map(len, self.files.values()))


@dataclass(frozen=True)
class StagedRun:
    """A run on its way in: what the store takes, and the folder that becomes its own."""

    run: EndedRun
    folder: Path


def stage(incoming: Incoming, folder: Path) -> StagedRun:
    """Writes a run's files to a new folder, and its points beside it: those of many runs need not fit into memory."""
    folder.mkdir()
    for name, data in incoming.files.items():
        (folder / name).write_bytes(data)
    points = SavedBatches(folder.with_suffix(".points"), incoming.batches)
    return StagedRun(EndedRun(incoming.values, points, incoming.bytes, incoming.changes), folder)


class SavedBatches:
    """Points in a file, read batch by batch whenever they are iterated over."""

    def __init__(self, path: Path, batches: Sequence[Batch]) -> None:
        self.path, self.heads = path, [(batch.kind, batch.columns) for batch in batches]
        with path.open("wb") as file:
            for batch in batches:
                np.save(file, batch.rows, allow_pickle=False)

    def __iter__(self) -> Iterator[Batch]:
        with self.path.open("rb") as file:
            for kind, columns in self.heads:
                yield Batch(kind, columns, np.load(file, allow_pickle=False))


def keep(
    store: Store,
    settings: Settings,
    owner: str,
    runs: Sequence[StagedRun],
    comparison: ImportedComparison | None = None,
) -> Imported:
    """Adds runs, and the comparison that they belong to, in one transaction; then each gets its folder. Raises OSError, and
    removes all of them, where a folder cannot be moved."""
    # Files first, under another name: a run whose import is killed here must not resume without its checkpoint.
    imported = store.import_runs(owner, [one.run for one in runs], comparison)
    try:
        for run_id, one in zip(imported.runs, runs, strict=True):
            folder = settings.run_folder(run_id)
            folder.parent.mkdir(parents=True, exist_ok=True)
            one.folder.rename(folder)
    except OSError:
        if imported.comparison is not None:
            store.delete_comparison(imported.comparison, by=owner)
        else:
            for run_id in imported.runs:
                store.delete(run_id, by=owner)
        for run_id in imported.runs:
            settings.remove_run_folder(run_id)
        raise
    return imported
