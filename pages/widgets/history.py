"""What a page says about runs: their configurations, what changed from one to the next, how they ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from pages.widgets.text import metric, number, run_title, shorten
from trainer.config import Change, ConfigError, RunConfig, diff
from trainer.lifecycle.requests import RequestKind
from trainer.registry import families
from trainer.store import Run

UNCHANGED = "No knob changed"

ENDINGS = {
    "epochs": "All epochs trained",
    "early_stopping": "Early stopping",
    RequestKind.STOP: "Stopped by hand",
    "non_finite_loss": "Loss no longer finite",
}


@lru_cache(maxsize=4096)
def _parsed(text: bytes) -> RunConfig | None:
    try:
        return RunConfig.from_json(text)
    except ConfigError:
        return None


def config_of(run: Run) -> RunConfig | None:
    """The run's configuration; None where it was made by a version with other knobs."""
    return _parsed(orjson.dumps(run.config))


def is_probe(run: Run) -> bool:
    """Whether the run is a test that measures something, such as a range test, not one to compare."""
    config = config_of(run)
    return config is not None and bool(config.technique("schedule").facts.get("probe"))


def changes_by_run(runs: Sequence[Run]) -> dict[int, list[Change]]:
    """For each run what differs from the run before it; the first is compared with the defaults.

    `runs` may come in any order; the one before is the one with the next smaller id among them.
    """
    found: dict[int, list[Change]] = {}
    before: RunConfig | None = RunConfig()
    for run in sorted(runs, key=lambda run: run.id):
        config = config_of(run)
        found[run.id] = diff(before, config) if before and config else []
        before = config or before
    return found


def task_of(config: RunConfig | None) -> str:
    """ "classification" or "regression"."""
    return str(config.data_facts()["task"]) if config else "classification"


def legend_label(run: Run, changes: Sequence[Change]) -> str:
    """The run's name; where it has none its number, with what makes it different."""
    if run.name.strip() or not changes:
        return run_title(run)
    first, more = changes[0], f" +{len(changes) - 1}" if len(changes) > 1 else ""
    what = f"{first.label} {first.after}"
    if first.key in families() and first.after not in ("None", "Off", "On"):
        what = first.after  # "Batch norm" says enough; "None" does not
    return shorten(f"{run_title(run)} · {what}", 48) + more


def measured(run: Run) -> dict[str, str]:
    """How a run did, in words: best validation loss and metric, test metric, how it ended."""
    results: Mapping[str, Any] = run.results or {}
    best, test = results.get("best") or {}, results.get("test") or {}
    task, unit = task_of(config_of(run)), results.get("unit") or ""
    name = "accuracy" if task == "classification" else "error"
    found = {}
    if "val_loss" in best:
        found["Best validation loss"] = f"{number(best['val_loss'])} (epoch {best.get('epoch', 0):.0f})"
        found[f"Validation {name}"] = metric(best.get("val_metric"), task, unit)
    if test.get("metric") is not None:
        found[f"Test {name}"] = metric(test["metric"], task, unit)
    if results.get("stopped_by"):
        ending = ENDINGS.get(results["stopped_by"], str(results["stopped_by"]).replace("_", " ").capitalize())
        found["Ended by"] = ending + (", best weights restored" if results.get("restored_best") else "")
    return found
