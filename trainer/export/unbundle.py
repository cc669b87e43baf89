"""Importing a run's zip from elsewhere. Whoever made it may mean harm: nothing is trusted, everything is bounded.

Names are compared with a list and never used as paths; a file is read up to the size that it may have and no further; its
checksum must fit; numbers must be numbers. Only then a run is created.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from trainer.config import ConfigError, RunConfig
from trainer.data.uploads import find_manifest
from trainer.engine import checkpoint
from trainer.engine.report import Results
from trainer.export.bundle import FORMAT, VERSION
from trainer.export.pickles import problem_of_checkpoint, problem_of_weights
from trainer.metrics.registry import metrics
from trainer.settings import Settings
from trainer.store import ENDED, Batch, Store

MB = 1_000_000
ELSEWHERE = "This run trained on a file that is not on this machine. To repeat it, upload the same file on the Your data page."
MAX_FILES = 40
LIMITS = {
    "manifest.json": 1 * MB,
    "run.json": 1 * MB,
    "config.json": 1 * MB,
    "results.json": 1 * MB,
    "metrics/step.csv": 400 * MB,
    "metrics/epoch.csv": 100 * MB,
    "metrics/health.csv": 400 * MB,
    checkpoint.WEIGHTS: 1_000 * MB,
    checkpoint.CURRENT: 2_000 * MB,
}
"""What a zip may hold, and how large each may be. Other files, such as the script, are left where they are."""
MAX_SUM = 2_000 * MB
LAYER_COLUMN = re.compile(r"[a-z_]{1,40}(/[\w.\-]{1,200})?")
MAX_COLUMNS, MAX_CELLS = 4_000, 60 * MB
MAX_LENGTHS = {"name": 120, "notes": 5_000, "error": 5_000}
MAX_NOTICES = 100
KNOWN_PROGRESS = {
    **dict.fromkeys(("device", "precision", "metric", "unit"), str),
    **dict.fromkeys(("parameters", "epochs", "total_steps", "steps_per_epoch", "epoch"), int),
    **{name: int if one.whole else float for name, one in metrics("step").items() if one.aggregation},
    "steps_per_s": float,
}


class BundleError(ValueError):
    """The file is not a run that can be imported; the text is one sentence."""


@dataclass(frozen=True)
class Incoming:
    """A run that was read and found to be in order."""

    values: dict[str, Any]
    batches: list[Batch]
    files: dict[str, bytes]


def import_bundle(store: Store, settings: Settings, file: IO[bytes], owner: str) -> int:
    """Adds the run in a zip to the store and returns its id. Raises BundleError, and then nothing has changed."""
    incoming = read_bundle(file)
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        # Files first, under another name: a run whose import is killed here must not resume without its checkpoint.
        with tempfile.TemporaryDirectory(dir=settings.home, prefix="incoming-") as staged:
            files = Path(staged) / "files"
            files.mkdir()
            for name, data in incoming.files.items():
                (files / name).write_bytes(data)
            run_id = store.import_run(owner, incoming.values, incoming.batches)
            folder = settings.run_folder(run_id)
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                files.rename(folder)
            except OSError:
                store.delete(run_id, by=owner)
                raise
    except OSError as error:
        raise BundleError(f"The weights could not be saved: {error.strerror}. Free some space.") from error
    except ValueError as error:
        raise BundleError(f"The curves cannot be read: {error}") from error
    return run_id


def read_bundle(file: IO[bytes]) -> Incoming:
    """Reads and checks everything."""
    try:
        with zipfile.ZipFile(file) as archive:
            contents = read_files(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError) as error:
        raise BundleError(
            f"The file is no whole zip ({str(error)[:100] or type(error).__name__})."
        ) from error
    config = config_of(contents)
    values = run_values(as_object(contents, "run.json"), config)
    values["results"] = results_of(contents, config)
    for name, check in (
        (checkpoint.WEIGHTS, problem_of_weights),
        (checkpoint.CURRENT, problem_of_checkpoint),
    ):
        if name in contents and (problem := check(contents[name])):
            raise BundleError(f"{name} {problem}.")
    kinds = {name: contents[name] for name in contents if name.startswith("metrics/")}
    batches = [curve(name[8:-4], data) for name, data in kinds.items()]
    files = {name: contents[name] for name in (checkpoint.WEIGHTS, checkpoint.CURRENT) if name in contents}
    return Incoming(values, batches, files)


def read_files(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """The files that a run may have, by name, each as long and as whole as the manifest says."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(entries) > MAX_FILES or len(set(names)) != len(names):
        raise BundleError(
            f"The zip has {len(entries):,} files, or two of one name; a run has at most {MAX_FILES}."
        )
    by_name = {entry.filename: entry for entry in entries if entry.filename in LIMITS}
    if sum(entry.file_size for entry in by_name.values()) > MAX_SUM:
        raise BundleError(f"The zip would take more than {MAX_SUM // MB:,} MB; that is too much for a run.")
    if "manifest.json" not in by_name:
        raise BundleError("The zip has no manifest.json: it is not a run that was exported here.")
    manifest = as_object({"manifest.json": read_file(archive, by_name["manifest.json"])}, "manifest.json")
    if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
        raise BundleError(
            f"The zip is {shown(manifest.get('format'))} in version {shown(manifest.get('version'))}; "
            f"this installation reads {FORMAT} in version {VERSION}."
        )
    listed = manifest.get("files")
    if not isinstance(listed, dict):
        raise BundleError("The manifest lists no files.")
    return {
        name: verified(name, read_file(archive, entry), listed.get(name))
        for name, entry in by_name.items()
        if name != "manifest.json"
    }


def read_file(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """One file, up to its limit: what an entry says of its size may be a lie."""
    limit = LIMITS[entry.filename]
    if entry.file_size > limit:
        raise BundleError(
            f"{entry.filename} has {entry.file_size // MB:,} MB; the limit is {limit // MB:,} MB."
        )
    with archive.open(entry) as file:
        data = file.read(entry.file_size + 1)
    if len(data) != entry.file_size:
        raise BundleError(f"{entry.filename} is not as long as the zip says.")
    return data


def verified(name: str, data: bytes, listed: object) -> bytes:
    """The data, if the manifest knows them."""
    if not isinstance(listed, dict) or listed.get("sha256") != hashlib.sha256(data).hexdigest():
        raise BundleError(f"{name} is not what the manifest says: its checksum differs.")
    return data


def as_object(contents: Mapping[str, bytes], name: str) -> dict[str, Any]:
    """A file's JSON object."""
    try:
        value = json.loads(contents[name])
    except KeyError:
        raise BundleError(f"The zip has no {name}.") from None
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{name} is not JSON ({str(error)[:100]}).") from error
    if not isinstance(value, dict):
        raise BundleError(f"{name} holds no JSON object.")
    return value


def config_of(contents: Mapping[str, bytes]) -> RunConfig:
    """The configuration, checked like any other."""
    try:
        return RunConfig.parse(as_object(contents, "config.json"))
    except ConfigError as error:
        raise BundleError(f"The configuration is not possible here: {error}") from error


def run_values(facts: dict[str, Any], config: RunConfig) -> dict[str, Any]:
    """What the store keeps of a run, from run.json."""
    if facts.get("status") not in ENDED:
        raise BundleError(f"The run is {shown(facts.get('status'))}; only one that is over can be imported.")
    values: dict[str, Any] = {"status": facts["status"], "config": config.to_dict()}
    for name, longest in MAX_LENGTHS.items():
        text = facts.get(name) or ""
        if not isinstance(text, str):
            raise BundleError(f"The run's {name} is {shown(text)}, but must be text.")
        values[name] = text[:longest]
    values["error"] = values["error"] or None
    notices = facts.get("notices")
    notices = notices if isinstance(notices, list) else []
    values["notices"] = [text[:2_000] for text in notices[:MAX_NOTICES] if isinstance(text, str)]
    if config.technique("data").facts.get("own") and find_manifest(config.data.knobs["file"]) is None:
        values["notices"].append(ELSEWHERE)
    progress = facts.get("progress")
    progress = progress if isinstance(progress, dict) else {}
    values["progress"] = {
        name: progress[name] for name, kind in KNOWN_PROGRESS.items() if plain(progress.get(name), kind)
    }
    return values | {name: moment(facts.get(name), name) for name in ("created", "started", "ended")}


def plain(value: object, kind: type) -> bool:
    """Whether a value is a short line of text (`str`), or a number of ordinary size: pages count with these."""
    if kind is str:
        return isinstance(value, str) and len(value) <= 100 and value.isprintable()
    fits = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    return fits and abs(value) < 1e15  # type: ignore[arg-type]


def moment(text: object, name: str) -> datetime:
    """A moment with its time zone; now, where the run has none."""
    if text is None:
        return datetime.now(UTC)
    try:
        time = datetime.fromisoformat(str(text)[:64])
        if time.tzinfo is None or not 2000 <= time.year < 2200:
            raise ValueError
    except ValueError:
        raise BundleError(f"The run's {name} is {shown(text)}, which is no moment.") from None
    return time.astimezone(UTC)


def results_of(contents: Mapping[str, bytes], config: RunConfig) -> dict[str, Any] | None:
    """What the run measured at its end, each value of its type."""
    if "results.json" not in contents:
        return None
    values = as_object(contents, "results.json")
    values.pop("steps_per_second", None)
    try:
        text = json.dumps({**values, "config": config.to_dict()})
        results = TypeAdapter(Results).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"results.json does not fit: {where[:100]}: {first['msg']}.") from None
    known = {
        name: values[name] for name in results.to_dict() if name in values
    }  # as they were: 4 stays 4, not 4.0
    return {**known, "config": config.to_dict(), "steps_per_second": results.steps_per_second}


def curve(kind: str, data: bytes) -> Batch:
    """One kind of points. The store checks that its steps rise."""
    name = f"metrics/{kind}.csv"
    header = data.split(b"\n", 1)[0].decode("utf-8", "replace").strip().split(",")
    if not fits(kind, header) or len(header) > MAX_COLUMNS or len(set(header)) != len(header):
        raise BundleError(f"{name} has columns that a run does not have: {shown(','.join(header))}.")
    if data.count(b",") + data.count(b"\n") > MAX_CELLS:  # of rows wider than the header, too
        raise BundleError(f"{name} has more than {MAX_CELLS // MB} million values.")
    if b"\n" not in data.strip():
        return Batch(kind, header, np.empty((0, len(header))))
    try:
        rows = np.loadtxt(io.BytesIO(data), delimiter=",", skiprows=1, ndmin=2, comments=None)
    except (ValueError, OverflowError) as error:
        raise BundleError(f"{name} holds something that is no number ({str(error)[:100]}).") from error
    if rows.shape[1] != len(header):
        raise BundleError(f"{name} has rows of {rows.shape[1]} values under {len(header)} names.")
    steps = rows[:, 0]
    if not (np.isfinite(steps).all() and (steps == np.round(steps)).all() and (np.abs(steps) < 1e12).all()):
        raise BundleError(f"{name} has steps that are no whole numbers.")
    if steps.min() < 0 or (np.diff(steps) <= 0).any():
        raise BundleError(f"{name} has steps that do not rise from row to row.")
    return Batch(kind, header, rows)


def fits(kind: str, header: list[str]) -> bool:
    """Whether a run can have these columns. Another version may not have measured all of them."""
    if known := metrics(kind):
        needed = {name for name, one in known.items() if one.always}
        return header[0] == "step" and needed <= set(header) <= known.keys()
    return header[0] == "step" and all(map(LAYER_COLUMN.fullmatch, header))


def shown(value: object) -> str:
    """A foreign value in a sentence: short, and on one line."""
    return repr(value)[:60]
