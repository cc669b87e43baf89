"""From the vector of a health sample to a row of named columns: NumPy alone, many samples at once, off the training thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

WEIGHTS = ("grad_norm", "weight_norm", "update_ratio")
ACTIVATIONS = ("act_mean", "act_std", "act_zero", "act_dead")


@dataclass
class Layout:
    """The order of a sample's vector: norms of the pieces of all layers' gradients, weights and changes; then means of all
    activations, their standard deviations, and for each unit the share of activations near zero.

    `owners[i]` is the layer of piece i. `units` (how many each activation has) is known after the first sample. A sample
    without activations ends after the norms.
    """

    layers: tuple[str, ...]
    owners: tuple[int, ...]
    activations: tuple[str, ...]
    units: list[int] = field(default_factory=list)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of a row's values, the step first."""
        weights = (f"{kind}/{layer}" for kind in WEIGHTS for layer in self.layers)
        activations = (f"{kind}/{layer}" for kind in ACTIVATIONS for layer in self.activations)
        return ("step", *weights, *activations)

    def rows(self, steps: Sequence[int], samples: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
        """Returns [samples, columns] for the steps and vectors of some samples."""
        rows = np.full((len(samples), len(self.columns)), np.nan)
        rows[:, 0] = steps
        with np.errstate(all="ignore"):  # values that are not finite are recorded as they are
            for row, sample in zip(rows, samples, strict=True):
                self._fill(row[1:], sample.astype(np.float64))
        return rows

    def _fill(self, row: NDArray[np.float64], sample: NDArray[np.float64]) -> None:
        pieces, count, seen = len(self.owners), len(self.layers), len(self.activations)
        for kind in range(3):  # in float64 squares do not overflow
            squares = sample[kind * pieces : (kind + 1) * pieces] ** 2
            row[kind * count : (kind + 1) * count] = np.sqrt(np.bincount(self.owners, squares, count))
        row[2 * count : 3 * count] /= row[count : 2 * count]
        if len(sample) > 3 * pieces and seen:
            values, shares = np.split(sample[3 * pieces :], [2 * seen])
            starts = np.cumsum([0, *self.units[:-1]])
            zero = np.add.reduceat(shares, starts) / self.units
            dead = np.add.reduceat((shares == 1).astype(float), starts) / self.units
            row[3 * count :] = np.concatenate([values, zero, dead])
