"""Knobs that changed while a run trained, as its exact script has them: those of the first step, and what changes at which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.config import RunConfig
from trainer.engine.build import moves_by_step
from trainer.engine.measures import regression_loss
from trainer.export.script.network import Made
from trainer.export.script.source.modules import Import, Item
from trainer.export.script.values import Called, Later
from trainer.lifecycle.branches import Fork
from trainer.lifecycle.hot_knobs import KnobChange

PARTIAL = Import("functools", "partial", "partial")


@dataclass(frozen=True)
class History:
    """How a run came about that no one configuration explains: its changes of hot knobs, and where those before it were left,
    oldest first. The configuration that goes with it is that with which the newest branch began."""

    changes: Sequence[KnobChange] = ()
    forks: Sequence[Fork] = ()

    @property
    def fork(self) -> int:
        """The step at which the run itself began; 0 for one that is no branch."""
        return self.forks[-1].step if self.forks else 0

    def stages(self, config: RunConfig) -> dict[int, RunConfig]:
        """Returns by step the configuration that holds from there on, beginning with that of the first step; of those before
        the newest branch with the epochs that they were to train."""
        values: dict[int, list[Mapping[str, Any]]] = {0: []}
        for fork in self.forks:
            values[fork.step] = []
        for change in self.changes:
            if change.step is not None:
                values.setdefault(change.step, []).append(change.values)
        now, found = config, dict[int, RunConfig]()
        for step in sorted(values):
            for one in values[step]:
                now = now.changed(one)
            epochs = next((fork.epochs for fork in self.forks if step < fork.step), config.epochs)
            stage = now.changed({"epochs": epochs})
            if not found or stage != found[max(found)]:
                found[step] = stage
        return found


STRAIGHT = History()
"""The history of a run that its configuration explains."""


def hot_values(
    stages: Mapping[int, RunConfig],
    item_of: Callable[[Callable[..., Any]], Item],
    network: Callable[[RunConfig], Made],
) -> tuple[Mapping[str, Any], dict[int, dict[str, Any]]]:
    """Returns the hot knobs of the first stage by the names that the program has for them, and by step those that change."""
    changes = {}
    before = first = next(iter(stages.values()))
    for step, stage in list(stages.items())[1:]:
        old, new = _hot(before, item_of), _hot(stage, item_of)
        changes[step] = {name: value for name, value in new.items() if value != old[name]}
        if stage.dropout != before.dropout:
            changes[step]["network"] = Later(network(stage))
        before = stage
    return _hot(first, item_of), changes


def _hot(config: RunConfig, item_of: Callable[[Callable[..., Any]], Item]) -> dict[str, Any]:
    def bound(family: str) -> Item | Called:
        item, knobs = item_of(config.technique(family).function), getattr(config, family).knobs
        return Called(PARTIAL, (item,), knobs) if knobs else item

    classifies = config.data_facts()["task"] == "classification"
    return {
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "learning_rate": config.learning_rate,
        "weight_decay": config.optimizer.knobs["weight_decay"],
        "schedule": bound("schedule"),
        "by_step": moves_by_step(config),
        "clip": bound("clipping"),
        "loss": bound("label_smoothing") if classifies else item_of(regression_loss),
    }
