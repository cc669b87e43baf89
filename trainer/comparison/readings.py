"""What arms can be compared by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Reading(NamedTuple):
    """Where a measure is read: of which weights, from which part of the data, and whether loss or score (accuracy, or mean
    absolute error)."""

    label: str
    weights: str
    part: str
    score: bool


READINGS: Mapping[str, Reading] = {
    "best_val_loss": Reading("lowest validation loss", "best", "validation", False),
    "best_val_score": Reading("validation {score} of the best epoch", "best", "validation", True),
    "val_loss": Reading("final validation loss", "final", "validation", False),
    "val_score": Reading("final validation {score}", "final", "validation", True),
    "test_loss": Reading("test loss", "final", "test", False),
    "test_score": Reading("test {score}", "final", "test", True),
}
"""The best epoch is the one with the lowest validation loss. The test part is evaluated once, with the weights that a run ends
with: the last ones, or with early stopping those of the best epoch."""
