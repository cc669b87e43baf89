"""Several runs in one zip, each as the bundle that it would be by itself, and the comparison that they belong to."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import IO

from trainer.export.bundle import Content, add, as_json, tags_of, write_bundle
from trainer.settings import Settings
from trainer.store import Run, Store

FORMAT, VERSION = "trainscope-runs", 1
COMPARISON = "comparison.json"


def write_runs(store: Store, settings: Settings, runs: Sequence[Run], out: IO[bytes]) -> None:
    """Writes the zip of these runs."""
    _write(store, settings, runs, {}, out)


def write_comparison(store: Store, settings: Settings, comparison_id: int, out: IO[bytes]) -> None:
    """Writes the zip of a comparison: its description, and its runs as far as they are. Raises StoreError when there is none
    with this id."""
    comparison, members = store.comparison(comparison_id), store.members(comparison_id)
    facts = {
        "title": comparison.title,
        "notes": comparison.notes,
        "created": comparison.created.isoformat(),
        **tags_of(comparison),
        "design": comparison.design,
        "members": [{"run": _name(one.run), "arm": one.arm, "replicate": one.replicate} for one in members],
    }
    _write(store, settings, [one.run for one in members], {COMPARISON: as_json(facts)}, out)


def _write(
    store: Store, settings: Settings, runs: Sequence[Run], about: Mapping[str, bytes], out: IO[bytes]
) -> None:
    # Bundles are compressed already; stored as they are, an import reads them without unpacking them first.
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        files = {name: add(archive, Content(name, data)) for name, data in about.items()}
        for run in runs:
            bundle = io.BytesIO()
            write_bundle(store, settings, run, bundle)
            files[_name(run)] = add(archive, Content(_name(run), bundle.getvalue()))
        manifest = {"format": FORMAT, "version": VERSION, "files": files}
        archive.writestr("manifest.json", json.dumps(manifest, indent=1))


def _name(run: Run) -> str:
    return f"runs/{run.id}.zip"
