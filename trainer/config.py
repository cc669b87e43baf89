"""RunConfig: every choice that makes a run, validated once and frozen.

It has three forms: nested JSON for files (`{"schedule": {"name": "cosine", "final_lr": 0}}`), flat keys for the command line
and links (`schedule=cosine`, `schedule.final_lr=0`), and the object itself for the engine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Annotated, Any, Literal, Self, get_type_hints

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from trainer.choice import Choice, ConfigError, check, choose, short_repr, unknown
from trainer.conflicts import conflicts
from trainer.registry import Knob, Technique, families, find, knob, make_knob

__all__ = ["Change", "Choice", "ConfigError", "RunConfig", "check", "diff", "label_of", "plain_knobs"]

MAX_CONFIG_LENGTH = 100_000  # characters; a complete configuration has about 1,500


@dataclass(frozen=True)
class Change:
    """A difference between two configurations, with labels for people."""

    key: str
    label: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.label} {self.before} → {self.after}"


def _default(family: str) -> Any:
    return Field(default_factory=lambda: choose(family, families()[family].default))


class RunConfig(BaseModel):
    """The configuration of one run. Unknown keys raise; each knob is declared beside the technique that it belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    normalization: Choice = _default("normalization")
    dropout: Choice = _default("dropout")
    initialization: Choice = _default("initialization")
    schedule: Choice = _default("schedule")
    precision: Choice = _default("precision")
    data: Choice = _default("data")
    input_scaling: Choice = _default("input_scaling")
    validation_share: Annotated[
        float,
        knob(
            "Validation share",
            "Share of the samples that guides schedules and early stopping.",
            ge=0.05,
            le=0.4,
            step=0.05,
            group="data",
        ),
    ] = 0.15
    test_share: Annotated[
        float,
        knob(
            "Test share",
            "Share of the samples that is evaluated once, after training.",
            ge=0.05,
            le=0.4,
            step=0.05,
            group="data",
        ),
    ] = 0.15
    model: Choice = _default("model")
    activation: Choice = _default("activation")
    learning_rate: Annotated[
        float,
        knob(
            "Learning rate",
            "Step size; the base rate that the schedule changes.",
            gt=0,
            le=10,
            log=True,
            group="optimization",
        ),
    ] = 0.001
    batch_size: Annotated[
        int,
        knob("Batch size", "Samples per step.", ge=1, le=8192, step=16, unit="samples", group="optimization"),
    ] = 32
    optimizer: Choice = _default("optimizer")
    clipping: Choice = _default("clipping")
    early_stopping: Choice = _default("early_stopping")
    label_smoothing: Choice = _default("label_smoothing")
    random_crop: Choice = _default("random_crop")
    horizontal_flip: Choice = _default("horizontal_flip")
    rotation: Choice = _default("rotation")
    affine: Choice = _default("affine")
    color_jitter: Choice = _default("color_jitter")
    random_erasing: Choice = _default("random_erasing")
    mixing: Choice = _default("mixing")
    back_translation: Choice = _default("back_translation")
    synonym_replacement: Choice = _default("synonym_replacement")
    random_insertion: Choice = _default("random_insertion")
    random_swap: Choice = _default("random_swap")
    random_deletion: Choice = _default("random_deletion")
    epochs: Annotated[
        int, knob("Epochs", "Passes over the training data.", ge=1, le=100_000, step=10, group="run")
    ] = 150
    seed: Annotated[
        int,
        knob(
            "Seed",
            "Determines the split, initial weights, batch order and dropout; twins share it.",
            ge=0,
            le=2**31 - 1,
            step=1,
            group="run",
        ),
    ] = 0
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        knob(
            "Device",
            "Where to train; auto uses a GPU when there is one.",
            labels={"auto": "Auto", "cpu": "CPU", "cuda": "GPU (CUDA)"},
            group="run",
        ),
    ] = "auto"
    pace: Annotated[
        float,
        knob(
            "Slow motion",
            "Maximum steps per second, to watch each one; 0 is full speed.",
            ge=0,
            le=10_000,
            step=10,
            unit="steps/s",
            group="run",
        ),
    ] = 0
    health: Annotated[
        bool,
        knob(
            "Record health",
            "Records gradients, weights and activations layer by layer; does not affect training.",
            group="run",
        ),
    ] = True

    @field_validator("*", mode="plain")
    @classmethod
    def _choose(cls, value: Any, info: ValidationInfo) -> Any:
        family = info.field_name or ""
        return choose(family, value) if family in families() else check(family, plain_knobs()[family], value)

    @field_serializer("*")
    def _plain(self, value: Any) -> Any:
        return value.to_dict() if isinstance(value, Choice) else value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for problem in conflicts(self):
            raise ConfigError(problem)
        return self

    @classmethod
    def parse(cls, value: Any) -> RunConfig:
        """Returns the configuration of a nested form. Raises ConfigError with one sentence."""
        if not isinstance(value, Mapping):
            raise ConfigError(f"A configuration is a JSON object of knobs; got {type(value).__name__}.")
        for key in value:
            if key not in cls.model_fields:
                raise ConfigError(unknown("knob", key, cls.model_fields))
        try:
            return cls.model_validate(dict(value))
        except ValidationError as error:
            raise ConfigError(_sentence(error)) from None

    @classmethod
    def from_json(cls, text: str | bytes) -> RunConfig:
        """Returns the configuration of a nested form in JSON. Raises ConfigError for invalid JSON or values."""
        if len(text) > MAX_CONFIG_LENGTH:
            raise ConfigError(
                f"The configuration has {len(text)} characters; the limit is {MAX_CONFIG_LENGTH}."
            )
        try:
            value = json.loads(text, object_pairs_hook=_without_repeats)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"The configuration is not valid JSON: {error}.") from None
        return cls.parse(value)

    @classmethod
    def from_stored(cls, value: Mapping[str, Any]) -> RunConfig | None:
        """Reads a run's stored configuration; None where a version with other knobs wrote it. Cached: lists of runs ask often."""
        return _from_stored(orjson.dumps(value))

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> RunConfig:
        """Returns the configuration of flat keys; those that are absent take their defaults. Raises ConfigError."""
        return cls().changed(values)

    def changed(self, values: Mapping[str, Any]) -> RunConfig:
        """Returns a copy with flat keys set. Choosing another technique resets its family's knobs. Raises ConfigError."""
        nested = self.to_dict()
        for key in sorted(values, key=lambda key: "." in key):  # the choice first, then its knobs
            field, _, inner = key.partition(".")
            inner_fits = field in families() and inner not in ("", "name")
            if field not in type(self).model_fields or ("." in key and not inner_fits):
                raise ConfigError(unknown("knob", key, self.flat()))
            if inner:
                nested[field] = {**nested[field], inner: values[key]}
            elif field in families():
                if values[key] != nested[field]["name"]:
                    nested[field] = choose(field, values[key]).to_dict()
            else:
                nested[field] = values[key]
        return self.parse(nested)

    def to_dict(self) -> dict[str, Any]:
        """Returns the complete nested form."""
        return self.model_dump()

    def to_json(self, indent: int | None = None) -> str:
        """Returns the complete nested form as JSON, with keys in declared order."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def flat(self) -> dict[str, Any]:
        """Returns every value by its flat key: techniques by name, their knobs as `family.knob`."""
        values: dict[str, Any] = {}
        for field in type(self).model_fields:
            value = getattr(self, field)
            if isinstance(value, Choice):
                values[field] = value.name
                values.update({f"{field}.{name}": inner for name, inner in value.knobs.items()})
            else:
                values[field] = value
        return values

    def bound(self, family: str) -> Callable[..., Any]:
        """Returns the chosen technique's function with its knobs bound."""
        return partial(self.technique(family).function, **getattr(self, family).knobs)

    def technique(self, family: str) -> Technique:
        """Returns the technique chosen from a family."""
        return find(family, getattr(self, family).name)

    def data_facts(self) -> Mapping[str, Any]:
        """Returns what is known about the data set before it is read: kind, task, and the number of samples where it is fixed.

        Most data sets declare their facts. Those of an upload depend on its knobs, so its `facts_of` computes them.
        """
        facts = self.technique("data").facts
        refine = facts.get("facts_of")
        return {**facts, **refine(**self.data.knobs)} if refine else facts


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns a JSON object. Raises ValueError for a key that comes twice: JSON says nothing of which one counts."""
    value = dict(pairs)
    if len(value) < len(pairs):
        repeated = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ValueError(f"the key {short_repr(repeated)} comes twice")
    return value


@lru_cache(maxsize=4096)
def _from_stored(text: bytes) -> RunConfig | None:
    try:
        return RunConfig.from_json(text)
    except ConfigError:
        return None


@cache
def plain_knobs() -> Mapping[str, Knob]:
    """Returns RunConfig's own fields, those that are not a choice from a family, as knobs by name."""
    hints = get_type_hints(RunConfig, include_extras=True)
    fields = RunConfig.model_fields
    return {
        name: make_knob(name, hints[name], fields[name].default) for name in fields if name not in families()
    }


def with_rate(config: RunConfig, rate: float) -> dict[str, Any]:
    """Returns the change to another learning rate, in two digits and within the knob's bounds, with the schedule's minimum
    rate kept below it."""
    highest = plain_knobs()["learning_rate"].le or math.inf
    rate = min(float(f"{rate:.2g}"), highest)
    ends = {f"schedule.{name}": config.schedule.knobs.get(name, 0) for name in ("final_lr", "min_lr")}
    return {"learning_rate": rate} | {key: rate for key, end in ends.items() if end > rate}


def diff(before: RunConfig, after: RunConfig) -> list[Change]:
    """Returns what changed between two configurations, in the sidebar's order.

    The knobs of a newly chosen technique are listed only where they differ from their defaults.
    """
    old, new = before.flat(), after.flat()
    changes = []
    for key, value in new.items():
        family, _, inner = key.partition(".")
        reference = old.get(key)
        if inner and old[family] != new[family]:
            reference = after.technique(family).knobs[inner].default
        if reference != value:
            changes.append(
                Change(
                    key,
                    label_of(key, after),
                    display_value(key, reference),
                    display_value(key, value),
                )
            )
    return changes


def label_of(key: str, config: RunConfig) -> str:
    """Returns the label of a flat key, such as "Dropout rate"."""
    field, _, inner = key.partition(".")
    if inner:
        own = config.technique(field).knobs[inner].label
        return own if len(families()[field].techniques) == 1 else f"{families()[field].label} · {own}"
    return families()[field].label if field in families() else plain_knobs()[field].label


def display_value(key: str, value: Any) -> str:
    """Returns a value as people read it: techniques by label, numbers short."""
    if key in families():
        return find(key, value).label
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _sentence(error: ValidationError) -> str:
    """Returns the first problem of a pydantic error as one sentence: our own where a validator above raised it."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    return str(first.get("ctx", {}).get("error") or f"{key} is {short_repr(first['input'])}: {first['msg']}.")
