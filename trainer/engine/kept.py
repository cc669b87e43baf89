"""Kept checkpoints: those of a run to branch from, besides the one from which it resumes.

Each is a second name of an ordinary checkpoint, so that keeping one writes nothing, but for the best one where an ordinary one
was not due. The name holds what pages list.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from trainer.engine.checkpoint import CURRENT, ORIGIN, UNFINISHED, CheckpointError, write
from trainer.engine.state import State
from trainer.formatting import format_bytes

FOLDER = "kept"
MAX_EPOCHS = 8
"""Checkpoints at epochs that a run keeps."""
MAX_MARKED = 20
"""Steps that may be marked in a run."""


class Why(StrEnum):
    """Why a checkpoint is kept."""

    EPOCH = "epoch"  # one of a few at even distances
    BEST = "best"  # the lowest validation loss
    LAST = "last"  # where the run ended or paused
    MARKED = "marked"  # a person asked for it


DROPPED = (Why.EPOCH, Why.BEST)
"""Kept for these reasons, a checkpoint makes room for others; those for other reasons stay."""


@dataclass(frozen=True)
class Kept:
    """A kept checkpoint: its step, the epochs finished by then, the batches finished of the next one, the changes of knobs
    applied, and its size in bytes. `inode` is one for all names of a file."""

    step: int
    epoch: int
    batch: int
    changes: int
    reasons: tuple[Why, ...]
    path: Path
    bytes: int
    inode: int


def kept(folder: Path) -> list[Kept]:
    """Returns the kept checkpoints in a run's folder by step; one that is kept for several reasons stands once."""
    found: dict[int, Kept] = {}
    for one in _files(folder):
        before = found.get(one.step)
        reasons = {*one.reasons, *(before.reasons if before else ())}
        found[one.step] = replace(one, reasons=tuple(why for why in Why if why in reasons))
    return list(found.values())


def keep(
    folder: Path,
    state: State,
    why: Why,
    room: Callable[[], int],
    snapshot: Mapping[str, Any] | None = None,
) -> None:
    """Keeps the checkpoint of this state in a run's folder: the one that was just saved there, or a `snapshot` that was not.
    Those at epochs are thinned to an even spread, and to what fits into `room` bytes. Raises CheckpointError where a marked one
    finds no room, or the file cannot be made."""
    if why is Why.MARKED:
        _require_room(folder, room())
    try:
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        name = f"{state.step}-{state.epoch}-{state.batch}-{state.changes}-{why}.pt"
        if snapshot is None:
            link(folder / CURRENT, folder / FOLDER / name)
        else:
            write(snapshot, folder / FOLDER / UNFINISHED)
            (folder / FOLDER / UNFINISHED).replace(folder / FOLDER / name)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        (folder / FOLDER / UNFINISHED).unlink(missing_ok=True)
        raise CheckpointError(
            f"A checkpoint to branch from could not be kept in {folder}: {error}. Free some space."
        ) from error
    if why in (Why.BEST, Why.LAST):
        _remove(one for one in _files(folder) if one.reasons == (why,) and one.step != state.step)
    if why is not Why.LAST:
        _thin(folder, room())


def link(source: Path, target: Path) -> None:
    """Gives a file a second name, in place of what has it; copies the file where the disk knows no links. Raises OSError."""
    unfinished = target.with_suffix(".tmp")
    unfinished.unlink(missing_ok=True)
    try:
        os.link(source, unfinished)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, unfinished)
    unfinished.replace(target)


def begin_at(chosen: Kept, folder: Path) -> None:
    """Makes a kept checkpoint the one at which the run in a new `folder` begins; it stays when the other run is deleted.
    Raises OSError."""
    folder.mkdir(parents=True)
    link(chosen.path, folder / ORIGIN)


def kept_bytes(folder: Path) -> int:
    """Returns what a run's kept checkpoints take on the disk, without one from which it resumes."""
    with contextlib.suppress(OSError):
        return _bytes(_files(folder), besides=(folder / CURRENT).stat().st_ino)
    return _bytes(_files(folder))


def folder_bytes(folder: Path) -> int:
    """Returns what a run's folder takes on the disk: a file with several names counts once."""
    sizes: dict[int, int] = {}
    for found, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # removed meanwhile
                status = (Path(found) / name).stat()
                sizes[status.st_ino] = status.st_size
    return sum(sizes.values())


def drop(folder: Path) -> None:
    """Removes a run's kept checkpoints, but for its last and the marked ones."""
    _remove(one for one in _files(folder) if one.reasons[0] in DROPPED)


def _files(folder: Path) -> list[Kept]:
    """The files by step, each with its one reason. Another process may remove some meanwhile."""
    found = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder / FOLDER):
            if name := _NAME.fullmatch(entry.name):
                status, (step, epoch, batch, changes) = entry.stat(), map(int, name.groups()[:4])
                of_file = (Path(entry.path), status.st_size, status.st_ino)
                found.append(Kept(step, epoch, batch, changes, (Why(name[5]),), *of_file))
    return sorted(found, key=lambda one: (one.step, one.changes))


def _require_room(folder: Path, room: int) -> None:
    marked = [one for one in _files(folder) if one.reasons == (Why.MARKED,)]
    if len(marked) >= MAX_MARKED:
        raise CheckpointError(f"{MAX_MARKED} steps of this run are marked already, the most for one run.")
    taken = _bytes(marked) + (folder / CURRENT).stat().st_size
    if taken > room:
        raise CheckpointError(
            f"This step is not kept: the marked checkpoints of this run would take {format_bytes(taken)}, and "
            f"{format_bytes(room)} are left for them. Delete runs that you no longer need."
        )


def _thin(folder: Path, room: int) -> None:
    """Drops checkpoints at epochs, those first that lie closest to their neighbours, and then the best one."""
    while True:
        files = _files(folder)
        epochs = [one for one in files if one.reasons == (Why.EPOCH,)]
        others = [one for one in files if one.reasons == (Why.BEST,)]
        too_large = _bytes(files) > room
        if len(epochs) <= MAX_EPOCHS and not (too_large and (epochs or others)):
            return
        _remove([_closest(epochs)] if epochs else others)


def _closest(found: list[Kept]) -> Kept:
    """The one without which the distances stay most even. The newest goes only when it is alone."""
    steps = [0, *(one.step for one in found)]
    gaps = [steps[place + 2] - steps[place] for place in range(len(found) - 1)]
    return found[gaps.index(min(gaps))] if gaps else found[0]


def _bytes(files: Iterable[Kept], besides: int | None = None) -> int:
    return sum({one.inode: one.bytes for one in files if one.inode != besides}.values())


def _remove(files: Iterable[Kept]) -> None:
    for one in files:
        with contextlib.suppress(OSError):
            one.path.unlink()


_NAME = re.compile(r"(\d{1,15})-(\d{1,9})-(\d{1,9})-(\d{1,9})-(epoch|best|last|marked)\.pt")
