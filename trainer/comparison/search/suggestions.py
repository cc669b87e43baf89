"""What a search may vary, and a range for each knob to start from."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from trainer.comparison.search.space import FIXED, Dimension, fits, is_lesson, is_probe, searched_knob
from trainer.config import RunConfig, entry_of
from trainer.describe.run_set import knob_of
from trainer.registry import Knob, families, is_used

_LINEAR: Final = 100
"""Steps of a control between its bounds, up to which the whole range is sensible."""


def searchable(base: RunConfig) -> list[str]:
    """Returns the flat keys that a search may vary, in the order of a configuration."""
    return list(_searchable(base.to_json()))


@lru_cache(maxsize=64)
def _searchable(text: str) -> tuple[str, ...]:
    base, found = RunConfig.from_json(text), []
    for key in base.flat():
        if key in FIXED or entry_of(key) == "data":
            continue
        knob = knob_of(key, base)
        if knob is None:
            has_values = len(suggested(key, base).choices) > 1
        else:
            has_values = knob.kind != "text" and is_used(knob, base.model.name)
        if has_values:
            found.append(key)
    return tuple(found)


def suggested(key: str, base: RunConfig) -> Dimension:
    """Returns a sensible space for one of `searchable`: all choices that fit, without those that only teach how training fails, a
    short range, or the neighborhood of the present value."""
    knob = searched_knob(key, base, {})
    if knob is None:
        fitting = (name for name in families()[key].techniques if fits(base, {key: name}))
        return Dimension(
            choices=tuple(name for name in fitting if not (is_probe(key, name) or is_lesson(key, name)))
        )
    if knob.kind == "bool":
        return Dimension(choices=(False, True))
    if knob.kind == "choice":
        return Dimension(choices=knob.choices)
    found = _neighborhood(knob, base.flat()[key])
    while found.log and knob.kind == "float" and not fits(base, {key: found.high}):
        found = found.model_copy(update={"high": found.high / 10})
    return found


def _neighborhood(knob: Knob, now: float) -> Dimension:
    (low, high), step = _bounds(knob), knob.step or (1 if knob.kind == "int" else 1 / _LINEAR)
    if knob.log and now <= 0:
        return Dimension(low=max(low, 1e-6), high=min(high, 0.1), log=True)
    if high - low <= 1 and not knob.log:  # a share, of which the upper half is seldom meant
        return Dimension(low=low, high=min(high, max(round((low + high) / 2, 2), 2 * now)))
    if now <= 0 or (not knob.log and (high - low) / step <= _LINEAR):
        return Dimension(low=low, high=high if math.isfinite(high) else max(1.0, 2 * low))
    factor = 10 if knob.log else 4
    ends = (max(low, now / factor), min(high, now * factor))
    digits = [round(end) if knob.kind == "int" else float(f"{end:.3g}") for end in ends]
    return Dimension(low=digits[0], high=digits[1], log=True)


def _bounds(knob: Knob) -> tuple[float, float]:
    """The lowest and the highest value that a knob takes, in steps of its control where a bound itself is left out."""
    step = 0 if knob.log else knob.step or 1e-6
    low = knob.ge if knob.ge is not None else -math.inf if knob.gt is None else knob.gt + step
    high = knob.le if knob.le is not None else math.inf if knob.lt is None else knob.lt - step
    return round(low, 9) if math.isfinite(low) else low, round(high, 9) if math.isfinite(high) else high
