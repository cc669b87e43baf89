"""Files that a person names by their path: uploaded, listed for every visitor, and turned into knobs that train on them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.data.choosing import suggested_values
from trainer.data.samples import DataError
from trainer.data.uploads import DIGEST, disk_bytes, find_manifest
from trainer.processes.sandboxed_reader import receive_file
from trainer.settings import Settings
from trainer.store import COMMAND_LINE, Store


def add_file(path: Path, settings: Settings, target: str = "") -> dict[str, Any]:
    """Uploads a file and returns flat values that train on it."""
    try:
        with path.open("rb") as file:
            digest = receive_file(file, settings)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}.") from error
    manifest = find_manifest(digest)
    if manifest is None:
        raise DataError(f"{path} was uploaded but deleted again meanwhile.")
    store = Store(settings.url)
    store.add_upload(COMMAND_LINE, digest, path.name, manifest["kind"], disk_bytes(digest))
    for sentence in manifest["said"]:
        print(f"{path.name}: {sentence}", file=sys.stderr)
    return suggested_values(digest, manifest, target)


def with_file(sets: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Returns the knobs, with the file at a path in `data.file` uploaded; those about its data that are missing are guessed."""
    file = sets.get("data.file", "")
    if not file or DIGEST.fullmatch(str(file)):
        return dict(sets)
    guessed = add_file(Path(file), settings, sets.get("data.target", ""))
    return {**guessed, **{key: value for key, value in sets.items() if key != "data.file"}}
