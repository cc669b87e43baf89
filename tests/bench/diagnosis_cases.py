"""The labelled runs of diagnosis_suite.py: healthy and sick by construction, in a development and a held-out half.

A sick run is a healthy one with one thing broken on purpose; `cure` undoes that, and the suite trains the cured twin to
confirm that the break really hurts. The halves differ in seeds, data, sizes and settings; thresholds were chosen by looking
at the first half alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainer.config import RunConfig

Values = dict[str, Any]

MOONS: Values = {"data": "two_moons", "epochs": 60}
CIRCLES: Values = {"data": "circles", "epochs": 60}
XOR: Values = {"data": "xor", "epochs": 40}
SPIRALS: Values = {"data": "spirals", "epochs": 80, "learning_rate": 0.003}
DIGITS: Values = {"data": "digits", "model.layers": "64-64", "epochs": 25}
CNN: Values = {"data": "digits", "model": "cnn", "model.channels": 8, "epochs": 8}
RESNET: Values = {
    "data": "digits",
    "model": "resnet",
    "model.channels": 8,
    "normalization": "batch",
    "epochs": 8,
    "learning_rate": 0.003,
}
DELIVERY: Values = {"data": "delivery_time", "model.layers": "64-32", "batch_size": 64, "epochs": 30}
ADDING: Values = {"data": "adding", "data.length": 20, "data.samples": 1000, "model.hidden": 32, "epochs": 40}
LSTM: Values = {**ADDING, "model": "lstm", "learning_rate": 0.005, "clipping": "by_norm"}
GRU: Values = {**ADDING, "model": "gru", "learning_rate": 0.005}
RNN: Values = {
    **ADDING,
    "model": "rnn",
    "initialization": "orthogonal",
    "optimizer": "momentum",
    "learning_rate": 0.03,
    "clipping": "by_norm",
    "schedule": "cosine",
}
REVIEWS: Values = {"data": "reviews", "data.samples": 800, "epochs": 15}
TEXT_LSTM: Values = {**REVIEWS, "model": "lstm", "model.hidden": 32, "learning_rate": 0.003}
TEXT_GRU: Values = {**REVIEWS, "model": "gru", "model.hidden": 32, "learning_rate": 0.003}
TEXT_TRANSFORMER: Values = {
    **REVIEWS,
    "data.samples": 1500,
    "model": "transformer",
    "model.blocks": 1,
    "epochs": 12,
    "schedule": "warmup_cosine",
    "dropout.attention_rate": 0.1,
    "dropout.feedforward_rate": 0.1,
    "learning_rate": 0.002,
}
DIGITS_TRANSFORMER: Values = {"data": "digits", "model": "transformer", "model.blocks": 1, "epochs": 6}
HELD_BACK: Values = {
    "validation_share": 0.3,
    "test_share": 0.3,
}  # of few samples a small part would tell little
MOMENTUM: Values = {"optimizer": "momentum", "learning_rate": 0.01}
SIGMOIDS: Values = {"activation": "sigmoid", "initialization": "xavier_normal"}


@dataclass(frozen=True)
class Case:
    """One run. `label` is the failure that it was built to have, "" for a healthy one; `also` may rightly be found too."""

    name: str
    values: Values
    half: str
    label: str = ""
    cure: Values = field(default_factory=dict)
    also: tuple[str, ...] = ()

    @property
    def config(self) -> RunConfig:
        """Its configuration."""
        return RunConfig.from_flat({**self.values, "device": "cpu"})

    @property
    def cured(self) -> RunConfig:
        """The configuration of its healthy twin."""
        return self.config.changed(self.cure)


def well(half: str, name: str, base: Values, **changes: Any) -> Case:
    """A healthy run."""
    return Case(name, {**base, **keys(changes)}, half)


def sick(half: str, label: str, name: str, base: Values, breaks: Values, also: str = "") -> Case:
    """A healthy run with something broken; its cure is the healthy run."""
    healthy = RunConfig.from_flat(base)
    back: Values = {key: healthy.flat().get(key) for key in breaks if key in healthy.flat()}
    return Case(name, {**base, **breaks}, half, label, back, tuple(also.split()))


def overfitted(half: str, name: str, values: Values) -> Case:
    """A network too large for its few samples; early stopping would have kept a better one."""
    return Case(name, values, half, "overfit", {"early_stopping": "patience"})


def plateaued(half: str, name: str, values: Values) -> Case:
    """A constant rate a little too large to settle; the twin's falls along a cosine."""
    return Case(name, values, half, "plateau", {"schedule": "cosine"}, ("lr_too_high",))


def keys(changes: Mapping[str, Any]) -> Values:
    """Python names as flat keys: two underscores stand for the dot."""
    return {key.replace("__", "."): value for key, value in changes.items()}
