"""Importing a zip of a run, of several, or of a comparison with its runs. Each run in it is read and checked like one by itself.

Either everything in the zip comes in, or nothing does: all of it is checked before a single transaction adds it.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from trainer.comparison.design import MAX_ARMS, MAX_SEEDS, Design, parse_design
from trainer.config import ConfigError, RunConfig
from trainer.export.bundle import CHUNK, BundleError
from trainer.export.collection import COMPARISON, FORMAT, VERSION
from trainer.export.imported_curves import shown
from trainer.export.staged_runs import StagedRun, keep, stage
from trainer.export.unbundle import (
    MAX_SUM,
    MAX_TEXTS,
    MB,
    as_object,
    import_bundle,
    moment,
    opened_zip,
    read_bundle,
    read_file,
    tags_of,
    verified,
)
from trainer.processes.incoming import staged
from trainer.processes.quota import over_quota
from trainer.settings import Settings
from trainer.store import Imported, ImportedComparison, Store

MAX_RUNS: Final = MAX_ARMS * MAX_SEEDS
MAX_BYTES: Final = 2 * MAX_SUM
"""Of all runs together, packed and unpacked."""
MAX_TEXT: Final = 2 * MB
"""Bytes of the manifest, and of the comparison's description."""
RUN: Final = re.compile(r"runs/[0-9]{1,10}\.zip", re.ASCII)


class Place(BaseModel):
    """Where a run belongs in a comparison."""

    model_config = ConfigDict(strict=True)

    run: str
    arm: int = Field(ge=0)
    replicate: int = Field(ge=0)


def import_file(store: Store, settings: Settings, file: IO[bytes], owner: str) -> Imported:
    """Adds what a zip holds to the store. Raises BundleError with a sentence, and then nothing has changed."""
    with opened_zip(file) as archive:
        if _is_collection(archive):
            return _import_collection(store, settings, archive, owner)
    return Imported([import_bundle(store, settings, file, owner)])


def _is_collection(archive: zipfile.ZipFile) -> bool:
    """Whether the manifest says so. What has none, or none that can be read, is refused as a run."""
    entry = next((one for one in archive.infolist() if one.filename == "manifest.json"), None)
    try:
        manifest = json.loads(read_file(archive, entry, MAX_TEXT)) if entry else None
    except (BundleError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and manifest.get("format") == FORMAT


def _import_collection(store: Store, settings: Settings, archive: zipfile.ZipFile, owner: str) -> Imported:
    entries, listed = _entries(archive)
    names = [name for name in entries if RUN.fullmatch(name)]
    try:
        with staged(settings) as folder:
            runs: dict[str, StagedRun] = {}
            for name in names:
                runs[name] = _read_run(archive, entries[name], listed.get(name), folder)
                size = sum(one.run.size for one in runs.values())
                if size > MAX_BYTES:
                    raise BundleError(
                        f"The runs take more than {MAX_BYTES // MB:,} MB; import fewer at once."
                    )
                if problem := over_quota(store, settings, owner, size):
                    raise BundleError(problem)
            comparison = None
            if COMPARISON in entries:
                data = verified(
                    COMPARISON, read_file(archive, entries[COMPARISON], MAX_TEXT), listed.get(COMPARISON)
                )
                comparison = _comparison(as_object({COMPARISON: data}, COMPARISON), runs)
                names = list(comparison.members)
            return keep(store, settings, owner, [runs[name] for name in names], comparison)
    except OSError as error:
        raise BundleError(f"The runs could not be saved: {error.strerror}. Free some space.") from error


def _entries(archive: zipfile.ZipFile) -> tuple[dict[str, zipfile.ZipInfo], Mapping[str, Any]]:
    """Returns the entries by name, in the zip's order, and what the manifest says of each."""
    found = archive.infolist()
    entries = {one.filename: one for one in found}
    count = sum(bool(RUN.fullmatch(name)) for name in entries)
    if not 0 < count <= MAX_RUNS or len(entries) < len(found) or len(found) > MAX_RUNS + 2:
        raise BundleError(
            f"The zip has {count:,} runs in {len(found):,} files, or two files of one name; it may have 1 to {MAX_RUNS:,} runs."
        )
    if sum(one.file_size for one in found) > MAX_BYTES:
        raise BundleError(f"The zip has more than {MAX_BYTES // MB:,} MB; import fewer runs at once.")
    data = read_file(archive, entries["manifest.json"], MAX_TEXT)
    manifest = as_object({"manifest.json": data}, "manifest.json")
    if manifest.get("version") != VERSION:
        raise BundleError(
            f"The zip is {FORMAT} in version {shown(manifest.get('version'))}; this installation reads version {VERSION}."
        )
    listed = manifest.get("files")
    if not isinstance(listed, dict):
        raise BundleError("The manifest lists no files.")
    return entries, listed


def _read_run(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, listed: object, folder: Path) -> StagedRun:
    """Reads and checks one run, and leaves it in the folder, out of memory."""
    name = entry.filename
    if entry.compress_type != zipfile.ZIP_STORED:
        raise BundleError(f"{name} is packed twice, which no export does.")
    bundle = folder / "bundle.zip"
    digest, size = hashlib.sha256(), 0
    with archive.open(entry) as source, bundle.open("wb") as target:
        while piece := source.read(CHUNK):
            digest.update(piece)
            size += target.write(piece)
            if size > entry.file_size:
                raise BundleError(f"{name} is not as long as the zip says.")
    if not isinstance(listed, dict) or listed.get("sha256") != digest.hexdigest():
        raise BundleError(f"{name} is not what the manifest says: its checksum differs.")
    try:
        with bundle.open("rb") as file:
            return stage(read_bundle(file), folder / Path(name).stem)
    except BundleError as error:
        raise BundleError(f"{name}: {error}") from error


def _comparison(facts: dict[str, Any], runs: Mapping[str, StagedRun]) -> ImportedComparison:
    """Returns the comparison, if its design makes sense and each run is what the design says."""
    try:
        design = parse_design(facts.get("design"))
    except ConfigError as error:
        raise BundleError(f"The comparison is not possible here: {error}") from error
    texts = {}
    for name, longest in (("title", MAX_TEXTS["name"]), ("notes", MAX_TEXTS["notes"])):
        text = facts.get(name) or ""
        if not isinstance(text, str):
            raise BundleError(f"The comparison's {name} is {shown(text)}, but must be text.")
        texts[name] = text[:longest]
    return ImportedComparison(
        **texts,
        design=design.model_dump(mode="json"),
        created=moment(facts.get("created"), "comparison's date"),
        tags=tags_of(facts),
        members=_members(facts.get("members"), design, runs),
    )


def _members(listed: object, design: Design, runs: Mapping[str, StagedRun]) -> dict[str, tuple[int, int]]:
    """Returns arm and replicate of each run, by its name in the zip."""
    try:
        places = TypeAdapter(list[Place]).validate_python(listed)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"The comparison's members do not fit: {where[:100]}: {first['msg']}.") from None
    for one in places:
        if one.run not in runs or one.arm >= len(design.arms) or one.replicate >= len(design.seeds):
            raise BundleError(
                f"The comparison has no arm {one.arm} with replicate {one.replicate}, or no run {shown(one.run)}."
            )
        if RunConfig.parse(runs[one.run].run.values["config"]) != design.config(one.arm, one.replicate):
            name = shown(design.arms[one.arm].name)
            raise BundleError(f"{one.run} has other knobs than its arm of the comparison, {name}.")
    found = {one.run: (one.arm, one.replicate) for one in places}
    if not len(places) == len(found) == len(set(found.values())) == len(runs):
        raise BundleError("The comparison has a run twice, two runs in one place, or a run without a place.")
    return found
