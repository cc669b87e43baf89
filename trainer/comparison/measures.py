"""What arms are compared by, and how it is read from a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from trainer.comparison.design import Design
from trainer.comparison.readings import READINGS
from trainer.comparison.verdicts import Measure, Outcome
from trainer.lifecycle.states import RunState
from trainer.store import Points, Run

DIVERGED = "non_finite_loss"
"""What `stopped_by` in a run's results says when its loss became infinite or not a number."""


def measure_of(design: Design, unit: str = "") -> Measure:
    """Returns the measure of a comparison. `unit` is that of the target, as given in a run's results."""
    reading = READINGS[design.measure]
    classifies = design.baseline.config.data_facts()["task"] == "classification"
    return Measure(
        label=reading.label.format(score="accuracy" if classifies else "mean absolute error"),
        unit="" if classifies or not reading.score else unit,
        lower_is_better=not (reading.score and classifies),
        margin=design.margin,
    )


def outcome(run: Run, design: Design, epochs: Points | None = None) -> Outcome | None:
    """Returns what a run measured, or None when it has no outcome: it is not over, a person stopped it, or it failed for
    another reason than a diverging loss. Where `design.until` is set, `epochs` is needed: the run's per-epoch curve."""
    if not run.is_over or run.ended is None or run.results is None:
        return None
    ended = run.ended.timestamp()
    if run.results.get("stopped_by") == DIVERGED:
        return Outcome(math.nan, ended)
    if run.status is not RunState.FINISHED:
        return None
    if design.until is None:
        value = at_end(run.results, design.measure)
    else:
        value = _at_budget(epochs, design, design.until, run.config["batch_size"])
    return None if value is None else Outcome(value, ended)


def at_end(results: Mapping[str, Any], measure: str) -> float | None:
    """Returns what a run's results say of a measure; None where they do not."""
    reading = READINGS[measure]
    if reading.weights == "best":
        value = results["best"].get("val_metric" if reading.score else "val_loss")
    else:
        value = results[reading.part]["metric" if reading.score else "loss"]
    return None if value is None else float(value)


def _at_budget(epochs: Points | None, design: Design, budget: float, batch_size: int) -> float | None:
    """Read from the epochs that ended within the budget; None when there is none."""
    if epochs is None or not len(epochs):
        return None
    spent = epochs.column({"epochs": "epoch", "seconds": "seconds"}.get(design.unit, "step"))
    if design.unit == "samples":
        spent = spent * batch_size
    within = epochs.array[spent <= budget]
    if not len(within):
        return None
    losses, reading = epochs.column("val_loss")[: len(within)], READINGS[design.measure]
    row = int(np.argmin(np.nan_to_num(losses, nan=np.inf))) if reading.weights == "best" else len(within) - 1
    return float(epochs.column("val_metric" if reading.score else "val_loss")[row])
