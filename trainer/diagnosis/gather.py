"""Evidence from the store, bounded: what is read of a run does not grow with its length."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from trainer.config import ConfigError, RunConfig
from trainer.diagnosis.evidence import Evidence, Table, facts, may_be_judged, milestone_epochs
from trainer.store.points import Points, concatenate

if TYPE_CHECKING:
    from trainer.store import Run, Store

END = 5_000  # steps read at either end of a run; what lies between is told by its epochs


def gather(store: Store, run: Run) -> Evidence | None:
    """Everything that the rules may look at; None for what is not to be judged: a probe, slow motion, and a configuration
    that this version cannot read."""
    config = read_config(orjson.dumps(run.config))
    if config is None or not may_be_judged(config):
        return None
    over = run.is_over
    steps = join(store.read_points(run.id, "step", limit=END), store, run.id)
    epochs = store.read_points(run.id, "epoch")
    health = store.read_points(run.id, "health")
    return Evidence(config, steps, table(epochs), table(health), over=over, **facts(run.results))


def milestone(run: Run) -> int:
    """How many milestones a run in progress has passed: until there is another, its diagnosis stays as it is."""
    return len(milestone_epochs(int(run.progress.get("epoch") or 0)))


def join(start: Points, store: Store, run_id: int) -> Table:
    """The first steps and the last ones."""
    last = store.last_step(run_id, "step")
    if last <= start.last_step:
        return table(start)
    rest = store.read_points(run_id, "step", after_step=max(start.last_step, last - END))
    return table(concatenate([start, rest]))


def table(points: Points) -> dict[str, Any]:
    """Columns by name."""
    return {name: points.array[:, place] for place, name in enumerate(points.columns)}


@lru_cache(maxsize=1024)
def read_config(text: bytes) -> RunConfig | None:
    """The configuration, None where another version wrote it."""
    try:
        return RunConfig.from_json(text)
    except ConfigError:
        return None
