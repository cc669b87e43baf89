"""Files that the command line names: taken in, listed for everybody, and turned into knobs that train on them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.data.choosing import suggested_values
from trainer.data.samples import DataError
from trainer.data.uploads import DIGEST, disk_bytes, find_manifest
from trainer.processes.sandboxed_reader import take_in
from trainer.settings import Settings
from trainer.store import COMMAND_LINE, Store


def add_file(path: Path, settings: Settings, target: str = "") -> dict[str, Any]:
    """Takes in a file and returns flat values that train on it."""
    with path.open("rb") as file:
        digest = take_in(file, settings)
    manifest = find_manifest(digest)
    if manifest is None:
        raise DataError(f"{path} was taken in but is gone again.")
    store = Store(settings.url)
    store.add_upload(COMMAND_LINE, digest, path.name, manifest["kind"], disk_bytes(digest))
    for sentence in manifest["said"]:
        print(f"{path.name}: {sentence}", file=sys.stderr)
    return suggested_values(digest, manifest, target)


def with_file(sets: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The knobs, with a path in `data.file` taken in; what they do not say of its data is guessed."""
    file = sets.get("data.file", "")
    if not file or DIGEST.fullmatch(file):
        return dict(sets)
    guessed = add_file(Path(file), settings, sets.get("data.target", ""))
    return {**guessed, **{key: value for key, value in sets.items() if key != "data.file"}}
