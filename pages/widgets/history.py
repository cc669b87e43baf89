"""Runs as pages describe them: their configurations, what changed from one to the next, how they did and how they ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pages.widgets.text import run_title, shorten
from trainer.config import Change, RunConfig, diff
from trainer.describe.figures import figures
from trainer.registry import families
from trainer.store import Run

UNCHANGED = "No knob changed"

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
    return config is not None and bool(config.technique("schedule").facts.get("probe"))


def changes_by_run(runs: Sequence[Run]) -> dict[int, list[Change]]:
    """Returns what each run changes against the previous one, which is that of the next smaller id; the first is compared
    with the defaults. `runs` may come in any order."""
    changes: dict[int, list[Change]] = {}
    previous: RunConfig | None = RunConfig()
    for run in sorted(runs, key=lambda run: run.id):
        config = config_of(run)
        changes[run.id] = diff(previous, config) if previous and config else []
        previous = config or previous
    return changes


def task_of(config: RunConfig | None) -> str:
    """Returns "classification" or "regression"."""
    return str(config.data_facts()["task"]) if config else "classification"


def legend_label(run: Run, changes: Sequence[Change]) -> str:
    """Returns the run's name; where it has none, its number and what makes it different."""
    if run.name.strip() or not changes:
        return run_title(run)
    first, more = changes[0], f" +{len(changes) - 1}" if len(changes) > 1 else ""
    change = f"{first.label} {first.after}"
    if first.key in families() and first.after not in ("None", "Off", "On"):
        change = first.after  # "Batch norm" is clear by itself; "None" is not
    return shorten(f"{run_title(run)} · {change}", 48) + more


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
