"""Reads a run's evidence from the store, bounded whatever the length of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.config import RunConfig
from trainer.diagnosis.evidence import Evidence, Table, may_be_judged, milestone_epochs, outcome
from trainer.lifecycle.hot_knobs import newest_config
from trainer.store.points import Points, concatenate

if TYPE_CHECKING:
    from trainer.store import Run, Store

STEPS_PER_END = 5_000  # steps read at either end of a run; the epochs cover those between


def gather(store: Store, run: Run) -> Evidence | None:
    """Returns the evidence that the rules use; None for a run that is not judged: a probe, slow motion, or a configuration that
    this version cannot read. Of a branch, and of a run whose knobs changed while it trained, it is what came after: the knobs
    that it has since then explain no more."""
    config = RunConfig.from_stored(run.config)
    if config is None or not may_be_judged(config):
        return None
    applied = [one for one in store.knob_changes(run.id) if one.step is not None] if run.changes else []
    since = max(run.parent_step or 0, *(one.step or 0 for one in applied), 0)
    first = store.read_points(run.id, "step", since or -1, limit=STEPS_PER_END)
    steps = join(first, store, run.id)
    epochs = begun_since(table(store.read_points(run.id, "epoch")), since)
    health = table(store.read_points(run.id, "health", since or -1))
    now = newest_config(config, applied)
    return Evidence(now, steps, epochs, health, over=run.is_over, since=since, **outcome(run.results))


def begun_since(epochs: Table, since: int) -> Table:
    """The epochs that began at a step or later. Where the first one that is there began is not known of a branch."""
    if not since or not len(epochs.get("step", ())):
        return epochs
    begun = np.concatenate([[0.0], epochs["step"][:-1]]) >= since
    return {name: values[begun] for name, values in epochs.items()}


def milestone(run: Run) -> int:
    """Returns the number of milestones that a run in progress has passed; its diagnosis changes only with this number."""
    return len(milestone_epochs(int(run.progress.get("epoch") or 0)))


def join(start: Points, store: Store, run_id: int) -> Table:
    """The first steps and the last ones."""
    last = store.last_step(run_id, "step")
    if last <= start.last_step:
        return table(start)
    rest = store.read_points(run_id, "step", after_step=max(start.last_step, last - STEPS_PER_END))
    return table(concatenate([start, rest]))


def table(points: Points) -> dict[str, Any]:
    """Returns the columns by name."""
    return {name: points.array[:, index] for index, name in enumerate(points.columns)}
