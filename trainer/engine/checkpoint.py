"""Checkpoints: written beside the old one, then renamed over it, so that a crash at any moment leaves a complete file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.lazy import lazy

if TYPE_CHECKING:
    import safetensors.torch as safetensors
    import torch
else:
    safetensors = lazy("safetensors.torch")
    torch = lazy("torch")

CURRENT, PREVIOUS, UNFINISHED = "checkpoint.pt", "checkpoint.previous.pt", "checkpoint.tmp"
ORIGIN = "origin.pt"
"""The checkpoint of another run at which a branch begins; it stays, so that the branch can always begin there again."""
WEIGHTS = "weights.safetensors"
FORMAT = 1


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written. The message names the folder and what to do."""


def save(folder: Path, state: Mapping[str, Any], flush: Callable[[], None] = lambda: None) -> None:
    """Writes `state` (tensors and plain values) to the folder, keeping the previous checkpoint as a fallback.

    `flush` is called first and returns once the curve up to here is safe. If the checkpoint were ahead of the curve, a crash
    in between would leave a gap that no resumed run fills. Raises CheckpointError when the disk is full or not writable; the
    existing checkpoint then stays.
    """
    unfinished = folder / UNFINISHED
    try:
        folder.mkdir(parents=True, exist_ok=True)
        flush()
        write(state, unfinished)
        if (folder / CURRENT).exists():
            (folder / CURRENT).replace(folder / PREVIOUS)
        unfinished.replace(folder / CURRENT)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        unfinished.unlink(missing_ok=True)
        raise CheckpointError(
            f"The checkpoint in {folder} could not be written: {error}. Free some space."
        ) from error


def write(state: Mapping[str, Any], path: Path) -> None:
    """Writes a checkpoint's file. Raises OSError or RuntimeError, as torch does, when the disk is full."""
    torch.save({"format": FORMAT, **state}, path)


def save_weights(folder: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Writes a model's state beside the checkpoint as safetensors, which other programs can read and pages export.

    Raises CheckpointError when the disk is full or not writable.
    """
    plain = {
        name: tensor.cpu().clone(memory_format=torch.contiguous_format) for name, tensor in weights.items()
    }
    unfinished = folder / f"{WEIGHTS}.tmp"
    try:
        unfinished.write_bytes(safetensors.save(plain, {"format": "pt"}))
        unfinished.replace(folder / WEIGHTS)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise CheckpointError(
            f"The weights in {folder} could not be written: {error}. Free some space."
        ) from error


def load(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """Returns the newest intact checkpoint, or None, and a sentence for each file that could not be used.

    Only tensors and plain values are read (`weights_only=True`), so a checkpoint cannot run code.
    """
    problems: list[str] = []
    for name in (CURRENT, PREVIOUS):
        if (folder / name).exists():
            try:
                return _read(folder / name), problems
            except Exception as error:  # torch raises many types for a damaged file
                problems.append(f"{name} is damaged ({type(error).__name__}) and is skipped.")
    if problems:
        problems.append("No intact checkpoint is left: the run starts over.")
    return None, problems


def load_origin(folder: Path) -> dict[str, Any]:
    """Returns the checkpoint at which a branch begins. Raises CheckpointError where it is gone or damaged."""
    try:
        return _read(folder / ORIGIN)
    except Exception as error:  # torch raises many types for a damaged file
        raise CheckpointError(
            f"The checkpoint at which this run branched is missing or damaged ({type(error).__name__}). Branch again."
        ) from error


def _read(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as file:
        if damaged := file.testzip():  # torch writes checksums but does not check them on load
            raise ValueError(f"wrong checksum of {damaged}")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if state["format"] != FORMAT:
        raise ValueError(f"format {state['format']}, expected {FORMAT}")
    return state
