"""Curves of many seeds as one line with a band, and the paired difference of two arms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.lazy import lazy

if TYPE_CHECKING:
    from scipy import special
else:
    special = lazy("scipy.special")  # a third of a second that pages without bands need not wait

Array = NDArray[np.float64]
BandKind = Literal["mean", "range", "lines"]
CONFIDENCE = 0.95
MAX_POINTS = 400
"""Positions of a band that are drawn, at most."""


class Band(NamedTuple):
    """A line and its band at [n] positions; `low` and `high` are NaN where one seed is all there is."""

    x: Array
    middle: Array
    low: Array
    high: Array


class Aligned(NamedTuple):
    """Replicates [r] and their values [r, n] at the same positions."""

    replicates: list[int]
    values: Array


def align(curves: Mapping[int, Array], over: Mapping[int, bool]) -> Aligned:
    """Returns the curves as far as all of them have come.

    A curve that is shorter because its run is over, as with early stopping, keeps its last value: so do its weights. One whose
    run still trains ends the whole; one that has not begun is left out.
    """
    begun = {replicate: curve for replicate, curve in curves.items() if len(curve)}
    if not begun:
        return Aligned([], np.empty((0, 0)))
    training = [len(curve) for replicate, curve in begun.items() if not over[replicate]]
    length = min(training) if training else max(len(curve) for curve in begun.values())
    rows = [
        np.concatenate([curve[:length], np.repeat(curve[-1:], max(0, length - len(curve)))])
        for curve in begun.values()
    ]
    return Aligned(list(begun), np.array(rows))


def band(values: Array, kind: BandKind = "mean", x: Array | None = None) -> Band:
    """Returns the band of [r, n] values: their mean with its 95% interval at each position (Student's t), or the mean between
    lowest and highest. Values that are not finite are left out at their position."""
    known = np.where(np.isfinite(values), values, np.nan)
    count = np.isfinite(known).sum(axis=0)
    total = np.nansum(known, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.where(count > 0, total / count, np.nan)
        if kind == "range":
            low = np.where(count > 0, np.min(np.where(np.isnan(known), np.inf, known), axis=0), np.nan)
            high = np.where(count > 0, np.max(np.where(np.isnan(known), -np.inf, known), axis=0), np.nan)
        else:
            squares = np.nansum((known - middle) ** 2, axis=0)
            error = np.sqrt(squares / (count - 1) / count)
            reach = special.stdtrit(np.maximum(count - 1, 1), (1 + CONFIDENCE) / 2) * error
            reach = np.where(count > 1, reach, np.nan)
            low, high = middle - reach, middle + reach
    positions = np.arange(1.0, values.shape[1] + 1) if x is None else x
    return thin(Band(positions, middle, low, high))


def paired(baseline: Aligned, arm: Aligned) -> Array:
    """Returns arm − baseline, [p, n], for the replicates that both have, as far as both have come."""
    length = min(baseline.values.shape[1], arm.values.shape[1])
    rows = [
        arm.values[arm.replicates.index(one), :length] - baseline.values[place, :length]
        for place, one in enumerate(baseline.replicates)
        if one in arm.replicates
    ]
    return np.array(rows).reshape(len(rows), length)


def thin(whole: Band) -> Band:
    """Returns at most MAX_POINTS positions, the first and the last among them."""
    count = len(whole.x)
    if count <= MAX_POINTS:
        return whole
    kept = np.unique(np.linspace(0, count - 1, MAX_POINTS).round().astype(int))
    return Band(*(column[kept] for column in whole))
