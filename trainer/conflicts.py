"""Values that are valid alone but not together: a sentence with a remedy for each combination that cannot train."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from trainer.choice import Choice
from trainer.registry import Technique, families

PLURALS = {"table": "tables", "plane": "points", "image": "images", "sequence": "sequences", "text": "texts"}


class Values(Protocol):
    """The part of a RunConfig that decides whether its values fit together."""

    @property
    def batch_size(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def validation_share(self) -> float: ...
    @property
    def test_share(self) -> float: ...
    @property
    def schedule(self) -> Choice: ...
    @property
    def label_smoothing(self) -> Choice: ...

    def technique(self, family: str) -> Technique:
        """Returns the technique chosen from a family."""

    def data_facts(self) -> Mapping[str, Any]:
        """Returns what is known about the data set before it is read."""


def conflicts(config: Values) -> Iterable[str]:
    """Yields a sentence for each combination of values that cannot train."""
    norm, model, data = (config.technique(family) for family in ("normalization", "model", "data"))
    smallest = norm.facts.get("smallest_batch", 1)
    if config.batch_size < smallest:
        yield (
            f"{norm.label} needs a batch size of at least {smallest}; got {config.batch_size}. "
            f"Set batch_size={smallest} or more, or choose another normalization."
        )
    yield from data_conflicts(config, data)
    if model.facts.get("own_normalization") and norm.name != "none":
        yield f"The {model.label} has its own layer norm; got normalization={norm.name}. Set normalization=none."
    if config.validation_share + config.test_share > 0.6:
        yield (
            f"validation_share {config.validation_share:g} and test_share {config.test_share:g} "
            "leave less than 40% for training; lower one of them."
        )
    for name in ("final_lr", "min_lr"):
        lowest = config.schedule.knobs.get(name, 0)
        if lowest > config.learning_rate:
            yield (
                f"schedule.{name} {lowest:g} is above the learning rate {config.learning_rate:g}; "
                "lower it or raise learning_rate."
            )
    first, last = (config.schedule.knobs.get(end, 0) for end in ("start", "end"))
    if first > last:
        yield f"schedule.start {first:g} is above schedule.end {last:g}; swap them."
    low, high = (config.schedule.knobs.get(f"{end}_momentum", 0) for end in ("low", "high"))
    if low > high:
        yield f"schedule.low_momentum {low:g} is above schedule.high_momentum {high:g}; swap them."


def data_conflicts(config: Values, data: Technique) -> Iterable[str]:
    """Yields a sentence for each technique that cannot use the chosen data set, with the data sets that it can use."""
    facts = config.data_facts()
    for name in families():
        used, sets = config.technique(name), families()["data"].techniques.values()
        accepts, task = used.facts.get("accepts"), used.facts.get("task", facts["task"])
        if name == "data" or ((not accepts or facts["kind"] in accepts) and task == facts["task"]):
            continue
        fitting = [
            item.name
            for item in sets
            if (not accepts or item.facts["kind"] in accepts)
            and ("task" not in used.facts or item.facts["task"] == task)
        ]
        what = f"The {used.label}" if name == "model" else families()[name].label
        wanted = " or ".join(PLURALS[kind] for kind in accepts) if accepts else f"{task} data"
        yield (
            f"{what} needs {wanted}; got {data.label}. "
            f"Set {name}={families()[name].default}, or data to one of {', '.join(fitting)}."
        )
    if config.label_smoothing.knobs["amount"] and facts["task"] != "classification":
        yield f"Label smoothing needs classes; got {data.label}. Set label_smoothing=0."
