"""Branches: a new run that goes on from a kept checkpoint of another, with some knobs changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from trainer.config import ConfigError, RunConfig, diff, entry_of, plain_knobs
from trainer.lifecycle.hot_knobs import changed_in_training, hot_knobs, is_probe, values_of
from trainer.registry import Knob

ANEW = ("epochs", "early_stopping", "pace", "health")
"""Knobs, besides the hot ones, that a branch may set: they decide when a run ends and what is seen of it, but not how
its weights and the optimizer's state came about."""


class Fork(NamedTuple):
    """Where a run was left for its branch: after how many steps, and how many epochs it was to train in all."""

    step: int
    epochs: int


@dataclass(frozen=True)
class Branch:
    """What a branch begins with: the configuration of its first step, and the hot knobs that change at the fork."""

    config: RunConfig
    values: Mapping[str, Any]


def branch_values(config: RunConfig) -> dict[str, Any]:
    """Returns those values of a configuration, by flat key, that a branch may set."""
    return {key: value for key, value in config.flat().items() if entry_of(key) in ANEW}


def branched(start: RunConfig, now: RunConfig, epoch: int, values: Mapping[str, Any]) -> Branch:
    """Returns what a branch begins with that sets `values`, by flat key, of a run that began with `start` and had the
    configuration `now` at the checkpoint, after so many finished epochs. Raises ConfigError where nothing would be left to
    train, and for a knob that is fixed."""
    if is_probe(start):
        raise ConfigError("A test of the LR finder has no branches. Start another test.")
    wanted = now.changed(values)
    renewed = now.changed(branch_values(wanted))
    if now.early_stopping.name == "none" != wanted.early_stopping.name:
        raise ConfigError(
            "Early stopping cannot begin in a branch: the best weights before the fork were not kept. Start a new run with it."
        )
    if wanted.epochs <= epoch:
        raise ConfigError(
            f"{epoch:,} epochs are trained at this checkpoint, and epochs is {wanted.epochs:,}. Set epochs to more, or branch "
            "from an earlier checkpoint."
        )
    if diff(renewed, wanted):
        changed_in_training(renewed, {**values, **branch_values(wanted)})
    return Branch(start.changed(branch_values(wanted)), values_of(renewed, wanted))


def branch_knobs(config: RunConfig) -> dict[str, Knob | None]:
    """Returns the knobs that pages offer for a branch of a run by flat key, first those that are not hot; None stands for a
    choice of a technique. Whether health is recorded is left to the command line."""
    found: dict[str, Knob | None] = {}
    for key in branch_values(config):
        name, _, inner = key.partition(".")
        if key == "health":
            continue
        if key in plain_knobs():
            found[key] = plain_knobs()[key]
        elif getattr(config, name).name != "none":
            found[key] = config.technique(name).knobs[inner] if inner else None
    return {**found, **hot_knobs(config)}
