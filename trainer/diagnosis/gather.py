"""Reads a run's evidence from the store, bounded whatever the length of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.config import RunConfig
from trainer.diagnosis.evidence import Evidence, Table, may_be_judged, milestone_epochs, outcome
from trainer.store.points import Points, concatenate

if TYPE_CHECKING:
    from trainer.store import Run, Store

STEPS_PER_END = 5_000  # steps read at either end of a run; the epochs cover those between


def gather(store: Store, run: Run) -> Evidence | None:
    """Returns the evidence that the rules use; None for a run that is not judged: a probe, slow motion, a configuration that
    this version cannot read, or knobs that changed while it trained, as no one configuration explains its curves; nor is a
    branch, whose curves lack their beginning."""
    config = RunConfig.from_stored(run.config)
    if config is None or not run.follows_its_config or not may_be_judged(config):
        return None
    over = run.is_over
    steps = join(store.read_points(run.id, "step", limit=STEPS_PER_END), store, run.id)
    epochs = store.read_points(run.id, "epoch")
    health = store.read_points(run.id, "health")
    return Evidence(config, steps, table(epochs), table(health), over=over, **outcome(run.results))


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
