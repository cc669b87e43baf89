"""What the Health page is sent: sampled steps by cursor, a histogram of gradient norms that adds up, and changed views.

A message covers what came after a `Seen`. From the very start (`fresh`) samples are thinned to what a heat map can show;
after that a message holds what is new, so its cost does not depend on how long the run already is. Knows no SQL.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.curves.packing import Array, pack

Floats = NDArray[np.float64]

COLUMNS: Final = 256  # samples in one message
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
    """How far a page is: the last sample, step and epoch (by step) that it has, and the version of its newest view."""

    sample: int = -1
    step: int = -1
    epoch: int = -1
    view: int = -1

    @property
    def nothing(self) -> bool:
        """Whether a page is new."""
        return max(self.sample, self.step, self.epoch) < 0


def news(
    source: HealthSource, run: int, seen: Seen, only: Collection[str] | None = None
) -> tuple[list[bytes], Seen]:
    """Messages with all that a page has not seen, and what it has seen then; no messages when there is nothing. A page that
    shows nothing but the views `only` costs one query, without layers and norms."""
    if only is not None:
        views = source.views(run, seen.view)
        now = replace(seen, view=max([seen.view, *(view.version for view in views)]))
        return [view_message(run, view, now) for view in views if view.name in only], now
    samples = source.read_points(run, "health", seen.sample)
    steps = source.read_points(run, "step", seen.step)
    epochs = source.read_points(run, "epoch", seen.epoch)
    views = source.views(run, seen.view)
    now = replace(
        seen,
        sample=max(seen.sample, samples.last_step),
        step=max(seen.step, steps.last_step),
        epoch=max(seen.epoch, epochs.last_step),
        view=max([seen.view, *(view.version for view in views)]),
    )
    messages = []
    if seen.nothing or len(samples) or len(steps) or len(epochs):
        header: dict[str, Any] = {"t": "health", "run": run, "fresh": seen.nothing, "seen": asdict(now)}
        arrays = sample_arrays(samples, header) | norm_arrays(steps, header) | epoch_arrays(epochs)
        messages.append(pack(header, arrays))
    return messages + [view_message(run, view, now) for view in views], now


def view_message(run: int, view: Any, seen: Seen) -> bytes:
    """Returns a stored view, itself a packed message, as the array `view` of a message."""
    header = {"t": "view", "run": run, "name": view.name, "version": view.version, "seen": asdict(seen)}
    return pack(header, {"view": np.frombuffer(view.data, np.uint8)})


def sample_arrays(samples: Any, header: dict[str, Any]) -> dict[str, Array]:
    """`sample_steps` and `samples` [samples, columns]; the columns' names go into the header of a fresh message."""
    names = [name for name in samples.columns if name != "step"]
    values, steps = samples.array[:, [samples.columns.index(name) for name in names]], samples.column("step")
    if len(steps) > COLUMNS:
        steps, values = thinned(steps, values, names)
    if header["fresh"] or len(samples):
        header["columns"] = names if header["fresh"] else len(names)
    with np.errstate(over="ignore"):
        return {"sample_steps": steps.astype(np.int32), "samples": values.astype(np.float32)}


def thinned(steps: Floats, values: Floats, names: Sequence[str]) -> tuple[Floats, Floats]:
    """At most `COLUMNS` buckets of neighboring samples: the largest of norms and ratios, which alarms must not lose; means of
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

    `bins` i4: floor(8 · log10 norm) with `counts`; `scale_steps`, `scales`: where the scale changed;
    `skipped`: steps that the loss scaler left out. Header: `steps` that were taken, as their norm is finite, and `clipped` of
    them, `non_finite` norms, and whether the run clips at all (`clipping`).
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
    taken = {"steps": int(finite.sum()), "clipped": int(np.nansum(clipped[finite]))}
    header |= {**taken, "non_finite": int((~finite).sum())}
    header["clipping"] = bool(np.isfinite(clipped).any())
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
