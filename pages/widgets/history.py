"""Runs as pages describe them: their configurations, what tells one from another, how they did and how they ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pages.widgets.text import run_title
from trainer.config import RunConfig
from trainer.describe.figures import figures
from trainer.describe.labels import Differences, differences_of, run_label
from trainer.lifecycle import hot_knobs
from trainer.store import Run

ENDINGS = {
    "epochs": "All epochs trained",
    "early_stopping": "Early stopping",
    "stop": "Stopped by hand",
    "non_finite_loss": "Loss no longer finite",
}


def config_of(run: Run) -> RunConfig | None:
    """Returns the run's configuration; None where a version with other knobs wrote it."""
    return RunConfig.from_stored(run.config)


def is_probe(run: Run) -> bool:
    """Whether the run measures something, such as a learning-rate range test, rather than being one to compare."""
    config = config_of(run)
    return config is not None and hot_knobs.is_probe(config)


def differences_by_run(runs: Sequence[Run], baseline: Run | None = None) -> dict[int, Differences]:
    """Returns how each run differs from the baseline, or from the defaults where none is pinned."""
    found = {run.id: differences_of(run, baseline) for run in runs}
    if baseline and baseline.id in found and config_of(baseline):
        found[baseline.id] = Differences([], "Baseline")
    return found


def task_of(config: RunConfig | None) -> str:
    """Returns "classification" or "regression"."""
    return str(config.data_facts()["task"]) if config else "classification"


def legend_label(run: Run, differs: Differences) -> str:
    """Returns the run's name; where it has none, its number and what makes it different."""
    return run_title(run) if run.name.strip() else run_label(run_title(run), differs)


def run_facts(run: Run) -> dict[str, str]:
    """Returns how a run did, ready for `facts_list`: each figure with its weights, and how the run ended."""
    results: Mapping[str, Any] = run.results or {}
    facts = {figure.title: figure.value for figure in figures(results, task_of(config_of(run)))}
    if results.get("stopped_by"):
        ending = ENDINGS.get(results["stopped_by"], str(results["stopped_by"]).replace("_", " ").capitalize())
        facts["Ended by"] = ending + (", best weights restored" if results.get("restored_best") else "")
    return facts


def seconds_of(run: Run) -> float | None:
    """Returns how long a run has trained: the seconds that it counted, else the time from its start to its end or to now."""
    counted = (run.results or {}).get("seconds", run.progress.get("seconds"))
    if counted is not None:
        return float(counted)
    if run.started is None:
        return None
    return ((run.ended or datetime.now(UTC)) - run.started).total_seconds()
