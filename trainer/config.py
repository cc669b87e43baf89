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
from typing import Annotated, Any, Literal, Self, get_args, get_type_hints

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
from trainer.registry import Knob, Technique, families, find, is_used, knob, make_knob

__all__ = ["Change", "Choice", "ConfigError", "RunConfig", "check", "diff", "label_of", "plain_knobs"]

MAX_CONFIG_LENGTH = 100_000  # characters; a complete configuration has about 1,500
MAX_SEED = 2**31 - 1

Purpose = Literal["split", "weights", "order", "dropout"]
"""What a run draws at random. Augmentation and mixing follow the order: like it, they decide what a step trains on."""
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


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


def _seed_knob(label: str, draws: str) -> Any:
    return knob(label, f"Draws {draws}. Empty: the seed does.", ge=0, le=MAX_SEED, step=1, group="seeds")


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
            hot=True,
        ),
    ] = 0.001
    batch_size: Annotated[
        int,
        knob(
            "Batch size",
            "Samples per step.",
            ge=1,
            le=8192,
            step=16,
            unit="samples",
            group="optimization",
            hot=True,
        ),
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
            le=MAX_SEED,
            step=1,
            group="run",
        ),
    ] = 0
    split_seed: Annotated[
        int | None, _seed_knob("Split seed", "which samples are in the training, validation and test part")
    ] = Field(None, alias="seed.split")
    weights_seed: Annotated[int | None, _seed_knob("Weights seed", "the initial weights")] = Field(
        None, alias="seed.weights"
    )
    order_seed: Annotated[
        int | None,
        _seed_knob("Order seed", "the batch order, and how augmentation and mixing change each batch"),
    ] = Field(None, alias="seed.order")
    dropout_seed: Annotated[int | None, _seed_knob("Dropout seed", "which units dropout silences")] = Field(
        None, alias="seed.dropout"
    )
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
        name = info.field_name or ""
        key = cls.model_fields[name].alias or name
        return choose(key, value) if key in families() else check(key, plain_knobs()[key], value)

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
            if key not in attributes():
                raise ConfigError(unknown("knob", key, attributes()))
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
            family, _, inner = key.partition(".")
            if key in plain_knobs():
                nested[key] = values[key]
            elif family not in families() or ("." in key and inner in ("", "name")):
                raise ConfigError(unknown("knob", key, self.flat()))
            elif inner:
                nested[family] = {**nested[family], inner: values[key]}
            elif values[key] != nested[family]["name"]:
                nested[family] = choose(family, values[key]).to_dict()
        return self.parse(nested)

    def to_dict(self) -> dict[str, Any]:
        """Returns the complete nested form. The seed of a purpose is in it only where it is set."""
        return self.model_dump(by_alias=True, exclude_none=True)

    def to_json(self, indent: int | None = None) -> str:
        """Returns the complete nested form as JSON, with keys in declared order."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def flat(self) -> dict[str, Any]:
        """Returns every value by its flat key: techniques by name, their knobs as `family.knob`."""
        values: dict[str, Any] = {}
        for key, attribute in attributes().items():
            value = getattr(self, attribute)
            if isinstance(value, Choice):
                values[key] = value.name
                values.update({f"{key}.{name}": inner for name, inner in value.knobs.items()})
            else:
                values[key] = value
        return values

    def seed_for(self, purpose: Purpose) -> int:
        """Returns the seed of one purpose: its own where it is set, else the run's."""
        own: int | None = getattr(self, f"{purpose}_seed")
        return self.seed if own is None else own

    @property
    def drops_out(self) -> bool:
        """Whether dropout silences anything: a rate above 0 in a place that the network has."""
        knobs = self.technique("dropout").knobs.values()
        return any(self.dropout.knobs[one.name] > 0 and is_used(one, self.model.name) for one in knobs)

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
def attributes() -> Mapping[str, str]:
    """Returns RunConfig's attributes by their keys, in declared order. They differ where a key has a dot: "seed.split"."""
    return {field.alias or name: name for name, field in RunConfig.model_fields.items()}


@cache
def plain_knobs() -> Mapping[str, Knob]:
    """Returns RunConfig's own fields, those that are not a choice from a family, as knobs by key."""
    hints = get_type_hints(RunConfig, include_extras=True)
    fields = RunConfig.model_fields
    return {
        key: make_knob(key, hints[name], fields[name].default)
        for key, name in attributes().items()
        if key not in families()
    }


def entry_of(key: str) -> str:
    """Returns the family or plain knob that a flat key belongs to: of "schedule.final_lr" it is "schedule"."""
    return key if key in plain_knobs() else key.partition(".")[0]


def with_rate(config: RunConfig, rate: float) -> dict[str, Any]:
    """Returns the change to another learning rate, in two digits and within the knob's bounds, with the schedule's minimum
    rate kept below it."""
    highest = plain_knobs()["learning_rate"].le or math.inf
    rate = min(float(f"{rate:.2g}"), highest)
    ends = {f"schedule.{name}": config.schedule.knobs.get(name, 0) for name in ("final_lr", "min_lr")}
    return {"learning_rate": rate} | {key: rate for key, end in ends.items() if end > rate}


def changed_knobs(before: RunConfig, after: RunConfig) -> dict[str, tuple[Any, Any]]:
    """Returns the values before and after by flat key, in the sidebar's order, of those that make one configuration the other:
    `before.changed` with the latter is `after`.

    The knobs of a newly chosen technique are listed only where they differ from their defaults.
    """
    old, new = before.flat(), after.flat()
    changes = {}
    for key, value in new.items():
        family, _, inner = key.partition(".")
        reference = old.get(key)
        if family in families() and inner and old[family] != new[family]:
            reference = after.technique(family).knobs[inner].default
        if reference != value:
            changes[key] = (reference, value)
    return changes


def diff(before: RunConfig, after: RunConfig) -> list[Change]:
    """Returns those changes with labels for people."""
    return [
        Change(key, label_of(key, after), display_value(key, old), display_value(key, new))
        for key, (old, new) in changed_knobs(before, after).items()
    ]


def label_of(key: str, config: RunConfig) -> str:
    """Returns the label of a flat key, such as "Dropout rate"."""
    if key in plain_knobs():
        return plain_knobs()[key].label
    family, _, inner = key.partition(".")
    if inner:
        own = config.technique(family).knobs[inner].label
        return own if len(families()[family].techniques) == 1 else f"{families()[family].label} · {own}"
    return families()[family].label


def display_value(key: str, value: Any) -> str:
    """Returns a value as people read it: techniques by label, numbers short."""
    if key in families():
        return find(key, value).label
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None:
        return "as the seed"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _sentence(error: ValidationError) -> str:
    """Returns the first problem of a pydantic error as one sentence: our own where a validator above raised it."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    return str(first.get("ctx", {}).get("error") or f"{key} is {short_repr(first['input'])}: {first['msg']}.")
