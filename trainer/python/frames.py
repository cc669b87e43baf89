"""A comparison as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainer.comparison.analysis import Analysis
from trainer.comparison.effects import Curves
from trainer.comparison.measures import at_end
from trainer.comparison.readings import READINGS
from trainer.export.curves import frame
from trainer.lazy import lazy
from trainer.store import Run

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

COSTS = ("epochs", "steps", "seconds", "steps_per_second", "parameters", "stopped_by")
"""Results that stand in the table under their own names."""


def run_table(found: Analysis) -> pd.DataFrame:
    """Returns a row for each run: which it is, `value` (what it measured; NaN where it diverged, or has no outcome yet), its
    results by the names of the measures, and the knobs in which any two arms differ."""
    differing = {
        change.key: None for number in range(len(found.arms)) for change in found.design.changes(number)
    }
    rows = []
    for number, arm in enumerate(found.arms):
        flat = found.design.arms[number].config.flat()
        for replicate, run in arm.runs.items():
            outcome = arm.outcomes.get(replicate)
            rows.append(
                {
                    "run": run.id,
                    "arm": arm.name,
                    "seed": found.design.seeds[replicate],
                    "status": str(run.status),
                    "value": outcome.value if outcome else math.nan,
                    **_results(run),
                    **{key: flat.get(key) for key in differing},
                }
            )
    return pd.DataFrame(rows)


def effect_table(found: Analysis) -> pd.DataFrame:
    """Returns a row for each effect of a factorial layout: of one technique, or what two do beyond the sum of each."""
    rows = [
        {
            "techniques": one.label,
            "effect": one.verdict.effect,
            "low": one.verdict.low,
            "high": one.verdict.high,
            "claim": str(one.verdict.claim),
            "seconds": one.seconds,
        }
        for one in found.effects
    ]
    return pd.DataFrame(rows, columns=["techniques", "effect", "low", "high", "claim", "seconds"])


def curve_table(found: Analysis, curves: Curves) -> pd.DataFrame:
    """Returns a row for each epoch of each run: which run it is, and what it measured."""
    parts = [
        frame(curves[run.id]).assign(run=run.id, arm=arm.name, seed=found.design.seeds[replicate])
        for arm in found.arms
        for replicate, run in arm.runs.items()
    ]
    whole = pd.concat(parts, ignore_index=True)
    first = ["run", "arm", "seed"]
    return whole[first + [name for name in whole if name not in first]]


def _results(run: Run) -> dict[str, Any]:
    results: Mapping[str, Any] | None = run.results
    measures = {name: None if results is None else at_end(results, name) for name in READINGS}
    return measures | {name: None if results is None else results.get(name) for name in COSTS}
