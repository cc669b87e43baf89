"""Long curves as few numbers: points that keep a curve's extremes, and means that keep its level.

A chart's raw line needs the extremes, which MinMaxLTTB keeps. Nothing may be computed from those: a moving average over
the extremes of noise is biased towards them. Bucket means keep the level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tsdownsample import MinMaxLTTBDownsampler

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Means:
    """Means over steps `first`..`last`, for `width` steps each (the last bucket may be shorter); NaN where no
    row of a bucket holds a finite number."""

    first: int
    last: int
    width: int
    values: npt.NDArray[np.float32]

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """The last step of each bucket."""
        after = self.first + self.width * (1 + np.arange(len(self.values)))
        return np.minimum(after - 1, self.last)


def thin(x: Floats, y: Floats, points: int) -> npt.NDArray[np.int64]:
    """Returns the indices of at most `points` points of a finite curve: MinMaxLTTB plus the smallest and the largest
    value."""
    if len(y) <= points:
        return np.arange(len(y))
    thinner = MinMaxLTTBDownsampler()  # type: ignore[no-untyped-call]
    chosen = thinner.downsample(np.ascontiguousarray(x), np.ascontiguousarray(y), n_out=max(3, points - 2))
    return np.union1d(chosen.astype(np.int64), [int(np.argmin(y)), int(np.argmax(y))])


def bucket_means(first: int, last: int, steps: Floats, values: Floats, buckets: int) -> Means:
    """Returns the means of finite `values` at `steps`, in at most `buckets` equal ranges of the steps `first`..`last`."""
    width = -(-(last - first + 1) // buckets)
    number = -(-(last - first + 1) // width)
    at = (steps.astype(np.int64) - first) // width
    counts = np.bincount(at, minlength=number)
    sums = np.bincount(at, weights=values, minlength=number)
    filled = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return Means(first, last, width, filled.astype(np.float32))
