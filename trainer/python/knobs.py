"""Knobs as Python values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from trainer.choice import short_repr
from trainer.comparison.design import named_arms
from trainer.config import ConfigError, RunConfig
from trainer.foreground.own_data import with_file
from trainer.settings import Settings

Knobs: TypeAlias = RunConfig | Mapping[str, Any]
"""A complete configuration, or some knobs: flat (`{"dropout.rate": 0.2}`), nested as in a file, or both."""
Arms: TypeAlias = Mapping[str, Knobs] | Iterable[Knobs]
"""What each arm changes from the baseline, by the arm's name; or a list of that, which names the arms by what they change."""
BASELINE = "baseline"


def changed(config: RunConfig, knobs: Knobs, settings: Settings) -> RunConfig:
    """Returns the configuration with these knobs changed; another configuration takes its place. A file in `data.file` is
    uploaded. Raises ConfigError, and DataError for a file that cannot be read."""
    if isinstance(knobs, RunConfig):
        return knobs
    if not isinstance(knobs, Mapping):
        raise ConfigError(f"Knobs are a mapping such as {{'dropout.rate': 0.2}}; got {short_repr(knobs)}.")
    for key in knobs:
        if not isinstance(key, str):
            raise ConfigError(f"A knob's name is text such as 'dropout.rate'; got {short_repr(key)}.")
    return config.changed(with_file({key: _plain(value) for key, value in knobs.items()}, settings))


def _plain(value: Any) -> Any:
    """Numbers out of an array or a frame as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def changed_arms(baseline: RunConfig, arms: Arms, settings: Settings) -> dict[str, RunConfig]:
    """Returns the configurations of the baseline and of all arms by name. Raises ConfigError and DataError."""
    if not isinstance(arms, Mapping):
        return named_arms(baseline, [changed(baseline, one, settings) for one in arms])
    if BASELINE in arms:
        raise ConfigError(
            "The baseline is the first argument of compare; give the arm 'baseline' another name."
        )
    for name, knobs in arms.items():
        if not isinstance(knobs, RunConfig | Mapping):
            raise ConfigError(
                f"The arm {short_repr(name)} is {short_repr(knobs)}. Give arms as a list, such as "
                "[{'dropout.rate': 0.2}], or by name, such as {'dropout': {'dropout.rate': 0.2}}."
            )
    return {BASELINE: baseline} | {name: changed(baseline, knobs, settings) for name, knobs in arms.items()}
