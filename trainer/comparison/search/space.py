"""The space of a search: of each knob that it varies, a range or a few choices, within the knob's own bounds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict

from trainer.choice import ConfigError, check, short_repr, unknown
from trainer.comparison.design import DATA_KNOBS
from trainer.config import PURPOSES, RunConfig, display_value, entry_of, plain_knobs
from trainer.registry import Knob, families

if TYPE_CHECKING:
    from optuna.trial import Trial

_SEEDS = ("seed", *(f"seed.{purpose}" for purpose in PURPOSES))
FIXED: Final = {*DATA_KNOBS, *_SEEDS, "epochs", "device", "pace", "health"}
"""What all trials have alike: the data, the noise, the budget, and what does not change the result."""
MAX_CHOICES: Final = 32
GRID_POINTS: Final = 4
"""Into so many values a grid divides a range."""
MAX_CHECKED: Final = 400
"""Combinations that are tried before a search starts, at most; each takes half a millisecond."""


class Dimension(BaseModel):
    """The values of one knob: a range from `low` to `high`, both included and evenly spread or (`log`) by order of magnitude; or
    `choices`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float = 0
    high: float = 0
    log: bool = False
    choices: tuple[str | bool | int | float, ...] = ()

    def __str__(self) -> str:
        """Returns it as the command line reads it."""
        if self.choices:
            return ",".join(str(one).lower() if isinstance(one, bool) else str(one) for one in self.choices)
        return f"{self.low:g}..{self.high:g}{' log' if self.log else ''}"

    def in_words(self, key: str) -> str:
        """Returns it as people read it."""
        if self.choices:
            return ", ".join(display_value(key, one) for one in self.choices)
        return f"{self.low:g} to {self.high:g}{', by order of magnitude' if self.log else ''}"

    def points(self, knob: Knob | None) -> list[Any]:
        """Returns the values that a grid visits."""
        if self.choices:
            return list(self.choices)
        shares = [number / (GRID_POINTS - 1) for number in range(GRID_POINTS)]
        return list(dict.fromkeys(self._rounded(self._at(share), knob) for share in shares))

    def draw(self, trial: Trial, key: str, knob: Knob | None) -> Any:
        """Returns what a trial takes, drawn by its sampler where it has none yet."""
        if self.choices:
            return trial.suggest_categorical(key, self.choices)
        if knob is not None and knob.kind == "int":
            return trial.suggest_int(key, int(self.low), int(self.high), log=self.log)
        return self._rounded(trial.suggest_float(key, self.low, self.high, log=self.log), knob)

    def _at(self, share: float) -> float:
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + (self.high - self.low) * share

    def _rounded(self, value: float, knob: Knob | None) -> float | int:
        """A number that people can read: whole where the knob is, else in three digits, and within the range."""
        if knob is not None and knob.kind == "int":
            return round(value)
        return min(max(float(f"{value:.3g}"), self.low), self.high)


Space = Mapping[str, Dimension]
"""By flat key."""


def parse_space(texts: Iterable[str], base: RunConfig) -> dict[str, Dimension]:
    """Returns the space that texts such as "learning_rate=1e-4..1e-1 log" and "optimizer=adam,sgd" describe. Raises
    ConfigError."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not values:
            raise ConfigError(
                f"A knob to search is KNOB=LOW..HIGH, with “log” after it to spread over orders of magnitude, or KNOB=A,B,C; got "
                f"{short_repr(text)}."
            )
        if key in families() and len(families()[key].techniques) == 1:  # dropout=0,0.5, as --set takes it
            (only,) = families()[key].techniques.values()
            key = f"{key}.{next(iter(only.knobs))}"
        if key in found:
            raise ConfigError(f"{key} is listed twice; give each knob once.")
        found[key] = values
    space: dict[str, Dimension] = {}
    for key in sorted(found, key=_choices_first):
        space[key] = parse_dimension(key, found[key], base, space)
    return space


def parse_dimension(key: str, text: str, base: RunConfig, space: Space) -> Dimension:
    """Returns the values of one knob. `space` has the choices of techniques, whose knobs may be searched too. Raises
    ConfigError."""
    knob = searched_knob(key, base, space)
    low, dots, high = text.partition("..")
    if not dots:
        return _checked(key, knob, Dimension(choices=tuple(_choices(key, knob, text))))
    high, _, scale = high.strip().partition(" ")
    if scale.strip() not in ("", "log", "linear") or knob is None or knob.kind not in ("int", "float"):
        raise ConfigError(
            f"{key} cannot take {short_repr(text)}: a range is LOW..HIGH, or LOW..HIGH log, of numbers. "
            "List the values instead, separated by commas."
        )
    ends = [float(check(key, knob, end.strip())) for end in (low, high)]
    logarithmic = scale.strip() == "log" or (knob.log and scale.strip() != "linear" and ends[0] > 0)
    return _checked(key, knob, Dimension(low=ends[0], high=ends[1], log=logarithmic))


def check_space(space: Space, base: RunConfig) -> None:
    """Raises ConfigError for values that a knob does not take, and for a choice that fits none of the others."""
    if not space:
        raise ConfigError("A search varies at least one knob; none is given.")
    for key in sorted(space, key=_choices_first):
        _checked(key, searched_knob(key, base, space), space[key])
    _require_fitting(space, base)


def searched_knob(key: str, base: RunConfig, space: Space) -> Knob | None:
    """Returns the knob of a flat key that a search may vary; None for the choice of a technique. It may belong to a technique
    that only some trials choose. Raises ConfigError."""
    family, _, inner = key.partition(".")
    if key in FIXED or entry_of(key) == "data":
        raise ConfigError(
            f"{key} stays the same in all trials: without that, their results could not be compared. Leave it out."
        )
    if key in plain_knobs():
        return plain_knobs()[key]
    if family in families() and not inner:
        return None
    if family in families():
        chosen = space[family].choices if family in space else (base.flat()[family],)
        for name in chosen:
            if inner in families()[family][str(name)].knobs:
                return families()[family][str(name)].knobs[inner]
    raise ConfigError(unknown("knob", key, base.flat()))


def draw(trial: Trial, space: Space, base: RunConfig) -> RunConfig:
    """Returns a trial's configuration. Its values last: the same trial draws the same ones again. Raises ConfigError where they
    do not fit together; they are drawn nevertheless."""
    values: dict[str, Any] = {}
    for key in sorted(space, key=_choices_first):
        if _is_there(key, values, base):
            values[key] = space[key].draw(trial, key, searched_knob(key, base, space))
    return base.changed(values)


def grid(space: Space, base: RunConfig, limit: int) -> list[dict[str, Any]]:
    """Returns every combination of values as flat keys, each once. Raises ConfigError where they are more than `limit`."""
    keys = sorted(space, key=_choices_first)
    points = [space[key].points(searched_knob(key, base, space)) for key in keys]
    found: dict[tuple[tuple[str, Any], ...], dict[str, Any]] = {}
    for combination in itertools.product(*points):
        values: dict[str, Any] = {}
        for key, value in zip(keys, combination, strict=True):
            if _is_there(key, values, base):
                values[key] = value
        found[tuple(values.items())] = values
        if len(found) > limit:
            raise ConfigError(
                f"The grid has more than {limit} combinations. Leave out a knob, list fewer values, or use another sampler."
            )
    return list(found.values())


def corners(space: Space, base: RunConfig) -> list[RunConfig]:
    """Returns two configurations far apart, which may train for different times: all knobs at their first values, and at their
    last. One that does not fit together is the base."""
    found = []
    for end in (0, -1):
        values: dict[str, Any] = {}
        for key in sorted(space, key=_choices_first):
            if _is_there(key, values, base):
                values[key] = space[key].points(searched_knob(key, base, space))[end]
        found.append(base.changed(values) if fits(base, values) else base)
    return found


def _choices_first(key: str) -> bool:
    """What sorts the choices of techniques before the techniques' own knobs."""
    return "." in key


def _is_there(key: str, values: Mapping[str, Any], base: RunConfig) -> bool:
    """Whether the technique that a trial has chosen has this knob."""
    family, _, inner = key.partition(".")
    if key in plain_knobs() or not inner:
        return True
    return inner in families()[family][values.get(family, base.flat()[family])].knobs


def _choices(key: str, knob: Knob | None, text: str) -> Iterator[Any]:
    for part in (part.strip() for part in text.split(",")):
        if not part:
            raise ConfigError(
                f"{key} has an empty value in {short_repr(text)}; separate the values by single commas."
            )
        yield part if knob is None else check(key, knob, part)


def _checked(key: str, knob: Knob | None, dimension: Dimension) -> Dimension:
    """Returns the dimension. Raises ConfigError where it is empty or leaves the knob's bounds."""
    for value in dimension.choices:
        if knob is not None:
            check(key, knob, value)
        elif value not in families()[key].techniques:
            raise ConfigError(unknown(key, value, families()[key].techniques))
        elif is_probe(key, str(value)):
            raise ConfigError(f"{key}={value} is a test of its own, not a way to train. Leave it out.")
    if len(dimension.choices) > MAX_CHOICES or len(set(dimension.choices)) < len(dimension.choices):
        raise ConfigError(f"{key} takes up to {MAX_CHOICES} different values; give each once.")
    if dimension.choices:
        return dimension
    if knob is None:
        raise ConfigError(f"{key} is a choice of a technique; list those to try, separated by commas.")
    for end in (dimension.low, dimension.high):
        check(key, knob, int(end) if knob.kind == "int" else end)
    if not dimension.low < dimension.high:
        raise ConfigError(
            f"{key} goes from {dimension.low:g} to {dimension.high:g}; the first must be the smaller one."
        )
    if dimension.log and dimension.low <= 0:
        raise ConfigError(f"{key} begins at {dimension.low:g}; a range by order of magnitude begins above 0.")
    return dimension


def _require_fitting(space: Space, base: RunConfig) -> None:
    """Raises ConfigError for a choice, or the end of a range, that trains with no values of the other knobs. Where there are too
    many combinations to try them all, those that do not fit fail when their trial begins."""
    ends = {key: one.choices or (one.low, one.high) for key, one in space.items()}
    if math.prod(map(len, ends.values())) > MAX_CHECKED:
        return
    keys, problems = sorted(ends, key=_choices_first), dict[tuple[str, Any], str]()
    fitting: set[tuple[str, Any]] = set()
    for combination in itertools.product(*(ends[key] for key in keys)):
        values: dict[str, Any] = {}
        for key, value in zip(keys, combination, strict=True):
            if _is_there(key, values, base):
                values[key] = value
        try:
            base.changed(values)
        except ConfigError as error:
            problems |= {one: str(error) for one in values.items() if one not in problems}
        else:
            fitting |= set(values.items())
    for (key, value), problem in problems.items():
        if (key, value) not in fitting:
            raise ConfigError(f"No trial with {key}={value} can train: {problem}")


def is_probe(family: str, name: str) -> bool:
    """Whether a technique is a test of its own, such as that of the learning rate, instead of a way to train."""
    return bool(families()[family][name].facts.get("probe"))


def is_lesson(family: str, name: str) -> bool:
    """Whether a technique is there to see how training fails, and no way to train well."""
    return bool(families()[family][name].facts.get("lesson"))


def fits(base: RunConfig, values: Mapping[str, Any]) -> bool:
    """Whether a configuration can train with these flat values."""
    try:
        base.changed(values)
    except ConfigError:
        return False
    return True
