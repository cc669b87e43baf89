"""What each arm did beside its measure: how well it learned, how far it memorized, how soon it got there, and at what cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from trainer.comparison.analysis import Analysis, ArmSummary
from trainer.lifecycle.states import RunState
from trainer.store import Points, Run, Store

Curves = Mapping[int, Points]
"""Curves per epoch by run id."""


class Effects(NamedTuple):
    """Means over the runs of an arm that have finished; NaN where nothing is known.

    Losses are those of the weights that a run ends with, except `best_loss`, of its best epoch. `gap` is validation loss less
    training loss in the last epoch. `steps` and `seconds` to the target are means over the `reached` runs that got there, each
    at the end of the epoch.
    """

    finished: int
    best_loss: float
    final_loss: float
    test_loss: float
    gap: float
    reached: int
    steps: float
    seconds: float


def read_curves(store: Store, found: Analysis) -> dict[int, Points]:
    """Reads the curves of all runs of a comparison."""
    return {run.id: store.read_points(run.id, "epoch") for arm in found.arms for run in arm.runs.values()}


def effects(found: Analysis, curves: Curves, target: float | None = None) -> list[Effects]:
    """Returns the effects of each arm. The target is a validation loss; None is the lowest that the baseline reached with the
    same seed."""
    baseline = found.arms[0].runs
    targets = {
        replicate: _best(run) if target is None else target
        for replicate, run in baseline.items()
        if target is not None or run.status is RunState.FINISHED
    }
    return [_effects(arm, curves, targets) for arm in found.arms]


def _effects(arm: ArmSummary, curves: Curves, targets: Mapping[int, float]) -> Effects:
    finished = {
        replicate: run
        for replicate, run in arm.runs.items()
        if run.status is RunState.FINISHED and run.results
    }
    reached = [
        point
        for replicate, run in finished.items()
        if replicate in targets and (point := _first_at(curves[run.id], targets[replicate])) is not None
    ]

    def over_runs(read: Callable[[Mapping[str, Any]], float | None]) -> float:
        return _mean(read(run.results) for run in finished.values() if run.results)

    return Effects(
        finished=len(finished),
        best_loss=over_runs(lambda one: one["best"].get("val_loss")),
        final_loss=over_runs(lambda one: one["validation"]["loss"]),
        test_loss=over_runs(lambda one: one["test"]["loss"]),
        gap=over_runs(_gap),
        reached=len(reached),
        steps=_mean(steps for steps, _ in reached),
        seconds=_mean(seconds for _, seconds in reached),
    )


def _gap(results: Mapping[str, Any]) -> float | None:
    train, validation = results["train"]["loss"], results["validation"]["loss"]
    return None if train is None or validation is None else validation - train


def _best(run: Run) -> float:
    value = (run.results or {}).get("best", {}).get("val_loss")
    return math.nan if value is None else float(value)


def _first_at(curve: Points, target: float) -> tuple[float, float] | None:
    """Returns step and seconds at the end of the first epoch with a validation loss as low as the target."""
    if not len(curve):
        return None
    low = np.flatnonzero(curve.column("val_loss") <= target)
    return (float(curve.column("step")[low[0]]), float(curve.column("seconds")[low[0]])) if len(low) else None


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan
