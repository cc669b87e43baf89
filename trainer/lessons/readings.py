"""What lessons read from a run that has ended: the measures of comparisons, and figures of its curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.comparison.measures import DIVERGED, at_end
from trainer.comparison.readings import READINGS

Curves = Mapping[str, NDArray[np.float64]]
"""Columns by name, one value per epoch or per step."""


@dataclass(frozen=True)
class Trained:
    """A run that has ended: its results as a run reports them, and its curves by epoch and by step."""

    results: Mapping[str, Any]
    epochs: Curves
    steps: Curves


class Figure(NamedTuple):
    """A number of a run: what it is called, how it is read, and its unit. `percent` figures are shares."""

    label: str
    read: Callable[[Trained], float]
    unit: str = ""
    percent: bool = False


def _measured(measure: str, run: Trained) -> float:
    """A loss that was never finite counts as infinite, so that "below" means what it says."""
    lost = math.nan if READINGS[measure].score else math.inf
    if run.results["stopped_by"] == DIVERGED and READINGS[measure].weights == "final":
        return lost
    value = at_end(run.results, measure)
    return lost if value is None or math.isnan(value) else value


def _last(column: str, run: Trained) -> float:
    return float(run.epochs[column][-1]) if len(run.epochs[column]) else math.inf


def _first(column: str, run: Trained) -> float:
    return float(run.epochs[column][0]) if len(run.epochs[column]) else math.inf


def _gap(run: Trained) -> float:
    return _last("val_loss", run) - _last("train_loss", run)


def _rise(run: Trained) -> float:
    """How many times its lowest value the validation loss has at the end."""
    losses = run.epochs["val_loss"]
    return float(losses[-1] / np.nanmin(losses)) if len(losses) else math.inf


def _best_epoch(run: Trained) -> float:
    return float(run.results["best"].get("epoch", math.nan))


def _norm(pick: Callable[[NDArray[np.float64]], Any], run: Trained) -> float:
    norms = run.steps.get("grad_norm", np.zeros(0))
    return float(pick(norms)) if len(norms) else math.nan


def _share_clipped(run: Trained) -> float:
    """Without clipping, whether a step was clipped is not a number."""
    clipped = np.nan_to_num(run.steps.get("clipped", np.zeros(1)))
    return float(clipped.mean()) if len(clipped) else 0.0


FIGURES: Final[Mapping[str, Figure]] = {
    **{
        name: Figure(
            reading.label.format(score="score"),
            partial(_measured, name),
            percent=reading.score,
        )
        for name, reading in READINGS.items()
    },
    "train_loss": Figure("final training loss", partial(_last, "train_loss")),
    "train_score": Figure("final training score", partial(_last, "train_metric"), percent=True),
    "first_val_loss": Figure("validation loss after the first epoch", partial(_first, "val_loss")),
    "gap": Figure("final validation loss minus training loss", _gap),
    "rise": Figure("final validation loss divided by the lowest", _rise),
    "best_epoch": Figure("epoch of the lowest validation loss", _best_epoch),
    "epochs": Figure("epochs trained", lambda run: float(run.results["epochs"])),
    "largest_norm": Figure("largest gradient norm", partial(_norm, np.nanmax)),
    "first_norm": Figure("gradient norm of the first step", partial(_norm, lambda norms: norms[0])),
    "share_clipped": Figure("share of steps clipped", _share_clipped, percent=True),
    "skipped_steps": Figure("steps skipped", lambda run: float(run.results["skipped_steps"])),
    "diverged": Figure("diverged (1) or not (0)", lambda run: float(run.results["stopped_by"] == DIVERGED)),
}
"""By the names that lesson files use."""

COLUMNS: Final[Mapping[str, str]] = {
    "val_loss": "Validation loss",
    "train_loss": "Training loss",
    "val_metric": "Validation accuracy",
    "train_metric": "Training accuracy",
}
"""The curves by epoch that a prediction may draw."""


def label_of(name: str, *, classifies: bool = True) -> str:
    """Returns what a figure is called where the data has classes, or where it is a regression."""
    return FIGURES[name].label.replace("score", "accuracy" if classifies else "mean absolute error")


def written(name: str, value: float, *, classifies: bool = True) -> str:
    """Returns a figure's value as people write it: shares in percent, others with four digits."""
    if not math.isfinite(value):
        return "not a finite number"
    if FIGURES[name].percent and (classifies or name == "share_clipped"):
        return f"{100 * value:.1f} %"
    return f"{value:.4g}"
