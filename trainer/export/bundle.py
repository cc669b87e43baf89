"""A run as one zip that another installation imports: what it was, what it measured, its weights and its script."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from trainer.config import RunConfig
from trainer.data.uploads import find_manifest, upload_folder
from trainer.describe.labels import run_title
from trainer.describe.origin import origin, parent_of
from trainer.engine import checkpoint
from trainer.export.curves import frame
from trainer.export.history import history_of
from trainer.export.script import exact_script
from trainer.export.script.changing import History
from trainer.lifecycle.hot_knobs import KnobChange
from trainer.lifecycle.states import RunState
from trainer.metrics import registry
from trainer.settings import Settings
from trainer.store import Comparison, Run, Store

FORMAT, VERSION = "trainscope-run", 1
KINDS = (*registry.KINDS, "health")
CHUNK = 1 << 20


class BundleError(ValueError):
    """The file is not a run that can be imported; the text is one sentence."""


@dataclass(frozen=True)
class Content:
    """One file of the zip: its name, and its bytes or where they lie."""

    name: str
    source: bytes | Path


def write_bundle(store: Store, settings: Settings, run: Run, out: IO[bytes]) -> None:
    """Writes the zip, its manifest last: format, version, and each file's size and SHA-256."""
    files = {}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        for content in contents(store, settings, run):
            files[content.name] = add(archive, content)
        manifest = {"format": FORMAT, "version": VERSION, "files": files}
        archive.writestr("manifest.json", json.dumps(manifest, indent=1))


def add(archive: zipfile.ZipFile, content: Content) -> dict[str, Any]:
    """Copies one file into the zip piece by piece, and returns its size and checksum."""
    digest, size = hashlib.sha256(), 0
    with archive.open(content.name, "w", force_zip64=True) as target:
        for piece in pieces(content.source):
            target.write(piece)
            digest.update(piece)
            size += len(piece)
    return {"bytes": size, "sha256": digest.hexdigest()}


def pieces(source: bytes | Path) -> Iterator[bytes]:
    """The bytes, a megabyte at a time where they lie on disk."""
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece


def contents(store: Store, settings: Settings, run: Run) -> Iterator[Content]:
    """Everything that there is of a run."""
    changes = store.knob_changes(run.id)
    told = facts(run) | changes_of(changes) | branch_of(store, run) | tags_of(run)
    yield Content("run.json", as_json(told))
    yield Content("config.json", as_json(run.config))
    if run.results is not None:
        yield Content("results.json", as_json(run.results))
    for kind in KINDS:
        points = store.read_points(run.id, kind)
        if len(points):
            yield Content(f"metrics/{kind}.csv", frame(points).to_csv(index=False, na_rep="nan").encode())
    folder = settings.run_folder(run.id)
    names = (
        (checkpoint.WEIGHTS,) if run.status is RunState.FINISHED else (checkpoint.WEIGHTS, checkpoint.CURRENT)
    )
    yield from (Content(name, folder / name) for name in names if (folder / name).is_file())
    if not store.data_refusal(run.config, run.space):
        yield from code(run, history_of(run, changes))


def facts(run: Run) -> dict[str, Any]:
    """What the store knows of a run besides its configuration, results and curves."""
    times = {name: getattr(run, name) for name in ("created", "started", "ended")}
    return {
        "name": run.name,
        "notes": run.notes,
        "status": run.status if run.is_over else RunState.STOPPED,
        "error": run.error,
        "notices": run.notices,
        "progress": run.progress,
        **{name: time.isoformat() if isinstance(time, datetime) else None for name, time in times.items()},
    }


def changes_of(changes: Sequence[KnobChange]) -> dict[str, Any]:
    """The changes of knobs while the run trained, where there were any; those that it never applied stay behind."""
    applied = [
        {"step": one.step, "values": dict(one.values), "requested": one.requested.isoformat()}
        for one in changes
        if one.step is not None
    ]
    return {"changes": applied} if applied else {}


def branch_of(store: Store, run: Run) -> dict[str, Any]:
    """Where a branch began: the step, and in words for people, who may not have the other run."""
    if run.parent_step is None:
        return {}
    said = f"{origin(run, parent_of(store, run))}."
    forks = {} if run.forks is None else {"forks": run.forks}
    return {"branched": run.parent_step, "notices": list(dict.fromkeys([*run.notices, said]))} | forks


def tags_of(tagged: Run | Comparison) -> dict[str, Any]:
    """The tags of a run or a comparison, where there are any."""
    return {"tags": list(tagged.tags)} if tagged.tags else {}


def code(run: Run, history: History | None) -> Iterator[Content]:
    """The script, and what it reads beside it where the run trained on a person's own file."""
    config = RunConfig.from_stored(run.config)
    if config is None or history is None:  # the rest of the run is complete all the same
        return
    yield Content("run.py", exact_script(config, run_title(run), run.results, history).encode())
    if "own" in config.technique("data").facts and find_manifest(digest := config.data.knobs["file"]):
        for path in sorted(upload_folder(digest).iterdir()):
            if path.suffix in (".npy", ".json"):
                yield Content(f"data/{path.name}", path)


def as_json(value: Any) -> bytes:
    """JSON as the store writes it: NaN and infinity as Python reads them back."""
    return json.dumps(value, indent=1).encode()
