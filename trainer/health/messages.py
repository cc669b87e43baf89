"""What the Health page is told: looks by cursor, a histogram of gradient norms that adds up, and views that changed.

A message covers what came after a `Seen`. From the very start (`fresh`) looks are thinned to what a heat map can show;
after that a message holds what is new, so its cost does not depend on how long the run already is. Knows no SQL.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.health.packing import Array, pack

Floats = NDArray[np.float64]

COLUMNS: Final = 256  # looks in one message
EPOCHS: Final = 500
PER_DECADE: Final = 8  # bins of the histogram
LOWEST, HIGHEST = -160, 160  # bins for 1e-20 and 1e20; what lies beyond falls into the outermost
CHANGES: Final = 512


class HealthSource(Protocol):
    """The part of the store that this page reads."""

    def read_points(self, run_id: int, kind: str, after_step: int = -1, limit: int | None = None) -> Any:
        """Rows of one kind with a step greater than `after_step`, oldest first."""

    def views(self, run_id: int, after_version: int = -1) -> Sequence[Any]:
        """The run's views that changed after a version."""


@dataclass(frozen=True)
class Seen:
    """How far a page is: the last look, step and epoch (by step) that it has, and the version of its newest view."""

    look: int = -1
    step: int = -1
    epoch: int = -1
    view: int = -1

    @property
    def nothing(self) -> bool:
        """Whether a page is new."""
        return max(self.look, self.step, self.epoch) < 0


def news(source: HealthSource, run: int, seen: Seen) -> tuple[list[bytes], Seen]:
    """Messages with all that a page has not seen, and what it has seen then; no messages when there is nothing."""
    looks = source.read_points(run, "health", seen.look)
    steps = source.read_points(run, "step", seen.step)
    epochs = source.read_points(run, "epoch", seen.epoch)
    views = source.views(run, seen.view)
    now = replace(
        seen,
        look=max(seen.look, looks.last_step),
        step=max(seen.step, steps.last_step),
        epoch=max(seen.epoch, epochs.last_step),
        view=max([seen.view, *(view.version for view in views)]),
    )
    told = []
    if seen.nothing or len(looks) or len(steps) or len(epochs):
        header: dict[str, Any] = {"t": "health", "run": run, "fresh": seen.nothing, "seen": asdict(now)}
        arrays = look_arrays(looks, header) | norm_arrays(steps, header) | epoch_arrays(epochs)
        told.append(pack(header, arrays))
    return told + [wrapped(run, view, now) for view in views], now


def wrapped(run: int, view: Any, seen: Seen) -> bytes:
    """A stored view as a message: a header of its own, then the view's bytes as they are."""
    header = pack(
        {"t": "view", "run": run, "name": view.name, "version": view.version, "seen": asdict(seen)}, {}
    )
    return header + bytes(view.data)


def look_arrays(looks: Any, header: dict[str, Any]) -> dict[str, Array]:
    """`look_steps` and `looks` [looks, columns]; the columns' names go into the header of a fresh message."""
    names = [name for name in looks.columns if name != "step"]
    values, steps = looks.array[:, [looks.columns.index(name) for name in names]], looks.column("step")
    if len(steps) > COLUMNS:
        steps, values = thinned(steps, values, names)
    if header["fresh"] or len(looks):
        header["columns"] = names if header["fresh"] else len(names)
    with np.errstate(over="ignore"):
        return {"look_steps": steps.astype(np.int32), "looks": values.astype(np.float32)}


def thinned(steps: Floats, values: Floats, names: Sequence[str]) -> tuple[Floats, Floats]:
    """At most `COLUMNS` buckets of neighbouring looks: the largest of norms and ratios, which alarms must not lose; means of
    the others. A bucket stands at its last step."""
    starts = np.linspace(0, len(steps), COLUMNS, endpoint=False).astype(int)
    counts = np.diff([*starts, len(steps)])[:, None]
    alarming = np.array([not name.startswith("act_") for name in names], dtype=bool)
    with np.errstate(invalid="ignore"):
        most = np.maximum.reduceat(values, starts)
        mean = np.add.reduceat(values, starts) / counts
    return steps[starts + counts[:, 0] - 1], np.where(alarming, most, mean)


def norm_arrays(steps: Any, header: dict[str, Any]) -> dict[str, Array]:
    """The histogram of gradient norms, what was clipped, and the loss scale where it changed.

    `bins` i4: floor(8 · log10 norm) with `counts`; `scale_steps`, `scales`: where the scale became another;
    `skipped`: steps that the loss scaler left out. Header: `steps` and `clipped` of them, `odd` norms that are not finite.
    """
    norms = steps.column("grad_norm")
    clipped, scale = (steps.column(name, missing=math.nan) for name in ("clipped", "loss_scale"))
    finite = np.isfinite(norms)
    with np.errstate(divide="ignore"):
        places = np.clip(np.floor(PER_DECADE * np.log10(np.abs(norms[finite]))), LOWEST, HIGHEST)
    bins, counts = np.unique(places.astype(np.int32), return_counts=True)
    at = steps.column("step").astype(np.int32)
    changed = np.flatnonzero(np.isfinite(scale) & (np.r_[True, np.diff(scale) != 0][: len(scale)]))
    skipped = at[~finite & np.isfinite(scale)]
    header |= {"steps": len(steps), "odd": int((~finite).sum()), "clipped": int(np.nansum(clipped))}
    header["clips"] = bool(np.isfinite(clipped).any())
    return {
        "bins": bins,
        "counts": counts.astype(np.int32),
        "scale_steps": at[changed][-CHANGES:],
        "scales": scale[changed][-CHANGES:].astype(np.float32),
        "skipped": skipped[-CHANGES:],
    }


def epoch_arrays(epochs: Any) -> dict[str, Array]:
    """`epochs`, `val_loss` and `patience` after them; of very many the last, the best and some between."""
    array = epochs.array
    keep = np.arange(len(array))
    loss = epochs.column("val_loss")
    if len(array) > EPOCHS:
        best = int(np.argmin(np.where(np.isnan(loss), np.inf, loss)))
        keep = np.union1d(np.linspace(0, len(array) - 1, EPOCHS - 1).astype(int), [best])
    patience = epochs.column("patience_left", missing=math.nan)
    with np.errstate(over="ignore"):
        return {
            "epochs": epochs.column("epoch")[keep].astype(np.int32),
            "val_loss": loss[keep].astype(np.float32),
            "patience": patience[keep].astype(np.float32),
        }
