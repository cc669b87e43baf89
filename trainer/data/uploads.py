"""Uploads on disk: each under the SHA-256 of its bytes, checked once and never changed.

    uploads/<digest>/original       the bytes as uploaded
    uploads/<digest>/values.npy     a table's typed columns
    uploads/<digest>/images.npy     decoded images, with their classes in targets.npy
    uploads/<digest>/manifest.json  what was found in the file; it exists only when the rest is complete

A folder is filled under another name and then renamed, so a folder that exists is complete. The digest in a run's
configuration says exactly what the run was trained on, here or on another machine that has the same file.
"""

from __future__ import annotations

import json
import re
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data.samples import DataError
from trainer.registry import stands_in
from trainer.settings import get_settings

DIGEST = re.compile(r"[0-9a-f]{64}")
MANIFEST_VERSION = 1


def upload_folder(digest: str) -> Path:
    """Returns the folder of an upload, which need not exist. Raises ValueError when `digest` is not a SHA-256 digest."""
    if not DIGEST.fullmatch(digest):
        raise ValueError(f"{digest[:80]!r} is not a SHA-256 digest")
    return get_settings().uploads / digest


def find_manifest(digest: str) -> dict[str, Any] | None:
    """Returns an upload's manifest, or None when the upload is not on this machine. Parsed again only when the file changes."""
    if not digest:
        return None
    path = upload_folder(digest) / "manifest.json"
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=256)
def _read(path: Path, modified: int) -> dict[str, Any] | None:
    manifest = json.loads(path.read_text())
    return manifest if isinstance(manifest, dict) and manifest.get("version") == MANIFEST_VERSION else None


def require_manifest(digest: str, kind: str) -> dict[str, Any]:
    """Returns the manifest of an upload of this kind ("table" or "images"). Raises DataError when there is none."""
    if not digest:
        raise DataError("No file is chosen yet. Choose one on the Your data page.")
    manifest = find_manifest(digest)
    if manifest is None:
        raise DataError(
            f"The file {digest[:12]}… is not on this machine. Upload the same file on the Your data page, "
            "or run: python -m trainer add-data FILE"
        )
    if manifest["kind"] != kind:
        other = "images" if kind == "table" else "a table"
        raise DataError(f"The file {digest[:12]}… holds {other}; choose it on the Your data page.")
    return manifest


def load_array(digest: str, name: str, shape: tuple[int, ...], *, mapped: bool = False) -> NDArray[Any]:
    """Returns an array of an upload. Raises DataError when the array is damaged or its shape is not `shape`."""
    path = upload_folder(digest) / f"{name}.npy"
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
        if array.shape != shape:
            raise ValueError(f"it has shape {array.shape} instead of {shape}")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"The stored copy of the file {digest[:12]}… is damaged ({error}). Delete it on the Your data page and "
            "upload the file again."
        ) from error
    return array


@stands_in(require_manifest)
def manifest_beside(digest: str, kind: str) -> dict[str, Any]:
    """Returns the manifest of the file in the folder `data` beside this script."""
    found: dict[str, Any] = json.loads((Path("data") / "manifest.json").read_text())
    return found


@stands_in(load_array)
def array_beside(digest: str, name: str, shape: tuple[int, ...], *, mapped: bool = False) -> NDArray[Any]:
    """Returns an array of the file in the folder `data` beside this script."""
    array: NDArray[Any] = np.load(Path("data") / f"{name}.npy", mmap_mode="r" if mapped else None)
    return array


def disk_bytes(digest: str) -> int:
    """Returns the bytes that an upload takes on disk; 0 when there is none."""
    folder = upload_folder(digest)
    return sum(file.stat().st_size for file in folder.glob("*") if file.is_file())


def remove_upload(digest: str) -> None:
    """Deletes an upload's folder, if any. The manifest goes first, so that no incomplete folder has one."""
    folder = upload_folder(digest)
    (folder / "manifest.json").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
