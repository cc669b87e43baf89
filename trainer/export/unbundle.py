"""Importing a run's zip from elsewhere. Whoever made it may mean harm: nothing is trusted, everything is bounded.

Names are compared with a list and never used as paths; a file is read up to the size that it may have and no further; its
checksum must fit; numbers must be numbers. Only then a run is created.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import IO, Any

from pydantic import TypeAdapter, ValidationError

from trainer.config import ConfigError, RunConfig
from trainer.data.uploads import find_manifest
from trainer.engine import checkpoint
from trainer.engine.report import Results
from trainer.export.bundle import FORMAT, VERSION, BundleError
from trainer.export.imported_curves import MAX_STEP, MAX_VALUE, read_curve, shown
from trainer.export.pickles import problem_of_checkpoint, problem_of_weights
from trainer.export.staged_runs import Incoming, keep, stage
from trainer.lifecycle.hot_knobs import MAX_CHANGES, KnobChange, changed_in_training, values_of
from trainer.metrics.registry import metrics
from trainer.processes.incoming import staged
from trainer.processes.quota import over_quota
from trainer.settings import Settings
from trainer.store import ENDED, MAX_LENGTHS, MAX_TAG, MAX_TAGS, Store

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
MAX_COMPRESSION_RATIO = 200  # unpacked to packed: tables shrink to a third, bombs to a thousandth
MAX_TEXTS = {**MAX_LENGTHS, "error": 5_000}
MAX_NOTICES = 100
MAX_FORKS = 1_000
MAX_EPOCHS = 100_000
MAX_COUNT = 10**15
COUNTED = ("epoch", "epochs", "step", "steps", "skipped_steps", "total_steps", "steps_per_epoch")
KNOWN_PROGRESS = {
    **dict.fromkeys(("device", "precision", "metric", "unit"), str),
    **dict.fromkeys(("parameters", "epochs", "total_steps", "steps_per_epoch", "epoch", "peak_memory"), int),
    **{name: int if one.whole else float for name, one in metrics("step").items() if one.aggregation},
    "steps_per_s": float,
}


def import_bundle(store: Store, settings: Settings, file: IO[bytes], owner: str) -> int:
    """Adds the run in a zip to the store and returns its id. Raises BundleError, and then nothing has changed."""
    incoming = read_bundle(file)
    if problem := over_quota(store, settings, owner, incoming.bytes):
        raise BundleError(problem)
    try:
        with staged(settings) as folder:
            return keep(store, settings, owner, [stage(incoming, folder / "run")]).runs[0]
    except OSError as error:
        raise BundleError(f"The weights could not be saved: {error.strerror}. Free some space.") from error


@contextlib.contextmanager
def opened_zip(file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Opens a zip. Raises BundleError for one that is damaged, also while it is read."""
    try:
        with zipfile.ZipFile(file) as archive:
            if all(one.header_offset for one in archive.infolist()) and archive.infolist():
                # What is left of a zip that was cut may end in one of those inside it.
                raise zipfile.BadZipFile("something stands before its first file")
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError) as error:
        raise BundleError(
            f"The file is no whole zip ({str(error)[:100] or type(error).__name__})."
        ) from error


def read_bundle(file: IO[bytes]) -> Incoming:
    """Reads and checks everything."""
    with opened_zip(file) as archive:
        contents = read_files(archive)
    config = config_of(contents)
    facts = as_object(contents, "run.json")
    values = run_values(facts, config)
    changes = changes_of(facts.get("changes", []), config)
    values["results"] = results_of(contents, config)
    for name, check in (
        (checkpoint.WEIGHTS, problem_of_weights),
        (checkpoint.CURRENT, problem_of_checkpoint),
    ):
        if name in contents and (problem := check(contents[name])):
            raise BundleError(f"{name} {problem}.")
    tables = [name for name in contents if name.startswith("metrics/")]
    # Taken out one by one: text and numbers of all together would need twice the memory.
    batches = [batch for name in tables for batch in read_curve(name[8:-4], contents.pop(name))]
    files = {name: contents[name] for name in (checkpoint.WEIGHTS, checkpoint.CURRENT) if name in contents}
    return Incoming(values, changes, batches, files)


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
    data = read_file(archive, by_name["manifest.json"], LIMITS["manifest.json"])
    manifest = as_object({"manifest.json": data}, "manifest.json")
    if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
        raise BundleError(
            f"The zip is {shown(manifest.get('format'))} in version {shown(manifest.get('version'))}; "
            f"this installation reads {FORMAT} in version {VERSION}."
        )
    listed = manifest.get("files")
    if not isinstance(listed, dict):
        raise BundleError("The manifest lists no files.")
    return {
        name: verified(name, read_file(archive, entry, LIMITS[name]), listed.get(name))
        for name, entry in by_name.items()
        if name != "manifest.json"
    }


def read_file(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    """One file, up to its limit: what an entry says of its size may be a lie."""
    if entry.file_size > limit:
        raise BundleError(
            f"{entry.filename} has {entry.file_size // MB:,} MB; the limit is {limit // MB:,} MB."
        )
    if entry.file_size > MB and entry.file_size > MAX_COMPRESSION_RATIO * max(1, entry.compress_size):
        raise BundleError(
            f"{entry.filename} unpacks to {entry.file_size // max(1, entry.compress_size):,} times its packed size; no "
            "run's does."
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
    for name, longest in MAX_TEXTS.items():
        text = facts.get(name) or ""
        if not isinstance(text, str):
            raise BundleError(f"The run's {name} is {shown(text)}, but must be text.")
        values[name] = text[:longest]
    values["error"] = values["error"] or None
    values["tags"] = tags_of(facts)
    notices = facts.get("notices")
    notices = notices if isinstance(notices, list) else []
    values["notices"] = [text[:2_000] for text in notices[:MAX_NOTICES] if isinstance(text, str)]
    if config.technique("data").facts.get("own") and find_manifest(config.data.knobs["file"]) is None:
        values["notices"].append(ELSEWHERE)
    if (step := facts.get("branched")) is not None and (type(step) is not int or not 0 <= step <= MAX_STEP):
        raise BundleError(f"The run branched at step {shown(step)}, which is no step.")
    values["parent_step"] = step
    values["forks"] = forks_of(facts.get("forks"), step)
    progress = facts.get("progress")
    progress = progress if isinstance(progress, dict) else {}
    values["progress"] = {
        name: progress[name]
        for name, kind in KNOWN_PROGRESS.items()
        if plain(progress.get(name), kind) and usual(name, progress[name])
    }
    return values | {
        name: moment(facts.get(name), f"run's {name}") for name in ("created", "started", "ended")
    }


def tags_of(facts: dict[str, Any]) -> list[str]:
    """The tags of a run or a comparison."""
    tags = facts.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise BundleError(f"The tags are {shown(tags)}, but must be a list of text.")
    return [tag[:MAX_TAG] for tag in tags[:MAX_TAGS]]


def changes_of(listed: object, config: RunConfig) -> list[KnobChange]:
    """The changes of knobs while the run trained, each checked as when it was requested."""
    if not isinstance(listed, list) or len(listed) > MAX_CHANGES:
        raise BundleError(f"The run's changes are no list of at most {MAX_CHANGES:,}.")
    found, last = [], 0
    for number, one in enumerate(listed, start=1):
        values, step = (one.get("values"), one.get("step")) if isinstance(one, dict) else (None, None)
        if not isinstance(values, dict) or type(step) is not int or not last <= step <= MAX_STEP:
            raise BundleError(f"Change {number} of the run's knobs is {shown(one)}, which is no change.")
        try:
            changed = changed_in_training(config, values)
        except ConfigError as error:
            raise BundleError(f"Change {number} of the run's knobs is not possible here: {error}") from error
        requested = moment(one.get("requested"), f"run's change {number}")
        found.append(KnobChange(number, values_of(config, changed), requested, step))
        config, last = changed, step
    return found


def forks_of(listed: object, step: int | None) -> list[list[int]] | None:
    """Where the runs before a branch at this step were left; None where that was not recorded."""
    if step is None or listed is None:
        return None
    pairs: list[Any] = listed if isinstance(listed, list) and 0 < len(listed) <= MAX_FORKS else [None]
    for one in pairs:
        if not (isinstance(one, list) and len(one) == 2 and all(type(value) is int for value in one)):
            raise BundleError(f"The run's forks have {shown(one)} among them, which is no fork.")
    steps, epochs = zip(*pairs, strict=True)
    if (
        list(steps) != sorted(steps)
        or steps[0] < 0
        or steps[-1] != step
        or not 0 < min(epochs) <= max(epochs) <= MAX_EPOCHS
    ):
        raise BundleError(f"The run's forks are {shown(listed)}, which lead to no branch at step {step:,}.")
    return pairs


def plain(value: object, kind: type) -> bool:
    """Whether a value is a short line of text (`str`), or a number of ordinary size: pages count with these."""
    if kind is str:
        return isinstance(value, str) and len(value) <= 100 and value.isprintable()
    fits = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    return fits and abs(value) < MAX_COUNT  # type: ignore[arg-type]


def usual(name: str, value: object) -> bool:
    """Whether a measured value, or all in an object, is one that training can give; pages and charts count on it."""
    if isinstance(value, Mapping):
        return all(usual(key, one) for key, one in value.items())
    if isinstance(value, str):
        return len(value) <= MAX_TEXTS["error"]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value is None or isinstance(value, bool)
    if name in COUNTED:
        return 0 <= value <= MAX_STEP
    if isinstance(value, int):
        return 0 <= value < MAX_COUNT
    return not math.isfinite(value) or abs(value) <= MAX_VALUE


def moment(text: object, name: str) -> datetime:
    """A moment with its time zone; now, where the run has none."""
    if text is None:
        return datetime.now(UTC)
    try:
        time = datetime.fromisoformat(str(text)[:64])
        if time.tzinfo is None or not 2000 <= time.year < 2200:
            raise ValueError
    except ValueError:
        raise BundleError(f"The {name} is {shown(text)}, which is no moment.") from None
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
    if wrong := [name for name, value in known.items() if name != "config" and not usual(name, value)]:
        raise BundleError(
            f"results.json does not fit: {wrong[0]} is {shown(known[wrong[0]])}, which no training gives."
        )
    return {**known, "config": config.to_dict(), "steps_per_second": results.steps_per_second}
