"""Several runs side by side: the knobs in which they differ, and what each has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainer.config import RunConfig, display_value, label_of, plain_knobs
from trainer.describe.labels import importance
from trainer.registry import Knob


def differing_knobs(configs: Sequence[RunConfig]) -> list[str]:
    """Returns the flat keys in which not all configurations are alike, most important first.

    A knob that only some of them have, because the others chose another technique, counts where it is not at its default.
    """
    flats = [config.flat() for config in configs]
    keys = dict.fromkeys(key for flat in flats for key in flat)
    found = []
    for key in keys:
        having = [(config, flat[key]) for config, flat in zip(configs, flats, strict=True) if key in flat]
        values = [value for _, value in having]
        if len(having) < len(configs):
            knob = knob_of(key, having[0][0])
            values.append(knob.default if knob else None)
        if any(value != values[0] for value in values):
            found.append(key)
    return sorted(found, key=importance)


def knob_of(key: str, config: RunConfig) -> Knob | None:
    """Returns the knob of a flat key; None for the choice of a technique."""
    family, _, inner = key.partition(".")
    return plain_knobs().get(key) or (config.technique(family).knobs[inner] if inner else None)


def is_seed(key: str) -> bool:
    """Whether a flat key says what replicates vary, rather than how the runs are set."""
    return key.partition(".")[0] == "seed"


def alike_in_data(configs: Sequence[RunConfig]) -> list[int]:
    """Returns the places of the configurations on the data set that most of them have."""
    data = [config.data for config in configs]
    usual = max(data, key=data.count)
    return [place for place, one in enumerate(data) if one == usual]


def groups_of(configs: Sequence[RunConfig], key: str) -> dict[str, list[int]]:
    """Returns the places of the configurations with each value of a knob, by the value in words: numbers in their order, and
    last those that have no such knob."""
    (values,) = knob_columns(configs, [key]).values()
    places: dict[Any, list[int]] = {}
    for place, value in enumerate(values):
        places.setdefault(value, []).append(place)
    numbers = sorted(value for value in places if isinstance(value, int | float))
    words = [value for value in places if isinstance(value, str)]
    ordered = [*numbers, *words, *([None] if None in places else [])]
    return {_name(value): places[value] for value in ordered}


def _name(value: Any) -> str:
    short = f"{value:g}" if isinstance(value, float) else ""
    return short if short and float(short) == value else "without it" if value is None else str(value)


def knob_label(key: str, configs: Sequence[RunConfig]) -> str:
    """Returns a knob's label with its unit, as the configurations that have it say."""
    owner = next(config for config in configs if key in config.flat())
    knob = knob_of(key, owner)
    return label_of(key, owner) + (f" ({knob.unit})" if knob and knob.unit else "")


def knob_columns(configs: Sequence[RunConfig], keys: Sequence[str]) -> dict[str, list[Any]]:
    """Returns a column for each key, under its label and unit: numbers as they are, all else in words, None where a
    configuration has no such knob."""
    columns: dict[str, list[Any]] = {}
    flats = [config.flat() for config in configs]
    for key in keys:
        name = knob_label(key, configs)
        columns[name if name not in columns else key] = [_shown(key, flat.get(key)) for flat in flats]
    return columns


def _shown(key: str, value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if value is None or is_number else display_value(key, value)
