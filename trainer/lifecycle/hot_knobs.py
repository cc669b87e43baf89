"""Hot knobs: those that may change while a run trains, between two steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trainer.config import Change, ConfigError, RunConfig, diff, plain_knobs
from trainer.registry import Knob, families, is_used

MAX_CHANGES = 1_000
"""Changes to one run."""
WAITS_FOR_EPOCH = "batch_size"
"""The knob that changes between two epochs only: an epoch's batches are cut once, so that each sample is seen once."""
_REMEDY = "Start a new run with it instead."


@dataclass(frozen=True)
class KnobChange:
    """One change of a run's hot knobs, the first being number 1: new values by flat key, and the step after which they hold;
    None until then."""

    number: int
    values: Mapping[str, Any]
    requested: datetime
    step: int | None = None


@dataclass(frozen=True)
class AppliedChange:
    """What a change did, in words, and the configuration after it."""

    differences: list[Change]
    step: int | None
    config: RunConfig

    def __str__(self) -> str:
        when = ", between two of its next steps" if self.step is None else f" at step {self.step:,}"
        return f"{', '.join(map(str, self.differences))}{when}"


def hot_knobs(config: RunConfig) -> dict[str, Knob | None]:
    """Returns the hot knobs of a run by flat key, in the order of a configuration; None stands for a choice of a technique.
    Those that its model, its data or its techniques do not use are left out."""
    return {} if is_probe(config) else dict(_hot(config))


def _hot(config: RunConfig) -> Iterator[tuple[str, Knob | None]]:
    classifies = config.data_facts()["task"] == "classification"
    for key in config.flat():
        name, _, inner = key.partition(".")
        if key in plain_knobs():
            if plain_knobs()[key].hot:
                yield key, plain_knobs()[key]
        elif name != "label_smoothing" or classifies:
            family = families()[name]
            if not inner and family.hot and len(family.techniques) > 1:
                yield key, None
            elif inner:
                knob = config.technique(name).knobs[inner]
                if (family.hot or knob.hot) and is_used(knob, config.model.name):
                    yield key, knob


def is_probe(config: RunConfig) -> bool:
    """Whether a run measures something, such as the learning rate that training bears, and must not be disturbed."""
    return bool(config.technique("schedule").facts.get("probe"))


def changed_in_training(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """Returns a run's configuration with flat keys changed. Raises ConfigError where the whole would not train, where it stays
    the same, and for a knob that is fixed while a run trains."""
    if is_probe(config):
        raise ConfigError("A test of the LR finder has no knobs to change while it runs. Start another test.")
    changed = config.changed(values)
    differences = diff(config, changed)
    if not differences:
        raise ConfigError(
            "Nothing would change: the run has these values already. Set a knob to another value."
        )
    allowed = {**hot_knobs(config), **hot_knobs(changed)}
    if is_probe(changed):
        raise ConfigError(f"schedule {changed.schedule.name} is a test of its own. Use the LR finder.")
    for one in differences:
        if one.key not in allowed:
            raise ConfigError(
                f"{one.label} ({one.key}) is fixed while a run trains: it is {one.before}, not {one.after}. {_REMEDY}"
            )
    return changed


def values_of(before: RunConfig, after: RunConfig) -> dict[str, Any]:
    """Returns the change from one configuration to another by flat key. A newly chosen technique comes with all its knobs, so
    that the change means the same when their defaults have changed."""
    old, new = before.flat(), after.flat()
    chosen = {name for name in families() if old[name] != new[name]}
    return {
        key: value
        for key, value in new.items()
        if key.partition(".")[0] in chosen or (key in old and old[key] != value)
    }


def waits_for_epoch(values: Mapping[str, Any]) -> bool:
    """Whether a change has to wait until the epoch is over."""
    return WAITS_FOR_EPOCH in values


def newest_config(config: RunConfig, changes: Iterable[KnobChange]) -> RunConfig:
    """Returns the configuration after all changes of a run that began with `config`, those that wait included."""
    for change in changes:
        config = config.changed(change.values)
    return config


def applied_changes(config: RunConfig, changes: Iterable[KnobChange]) -> list[AppliedChange]:
    """Returns what each change of a run that began with `config` did."""
    found = []
    for change in changes:
        before, config = config, config.changed(change.values)
        found.append(AppliedChange(diff(before, config), change.step, config))
    return found
