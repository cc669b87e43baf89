"""Overfitting and underfitting: more capacity than data can hold, or less than the task needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from trainer.config import RunConfig
from trainer.diagnosis.evidence import Evidence
from trainer.diagnosis.registry import EvidenceItem, Found, rule

NARROW = 4  # units in the narrowest layer of a network that is too small


@rule("Overfitting", severity=2, hides=("plateau",), parts=True)
def overfit(run: Evidence) -> Found | None:
    """Training loss keeps falling while validation loss rises: the network memorizes its training samples. Stop early, or use
    dropout, augmentation, a smaller network or more data."""
    if not run.long_enough or run.non_finite or run.config.early_stopping.name != "none":
        return None  # early stopping is the fix: it restores the best weights at the end
    best = int(run.val.argmin())
    low, around = float(run.val[best]), level_around(run, best)
    far, memorized = run.val_end - around > 0.1 * run.guess_loss, run.val_end > 5 * run.train_end
    if run.val_end < 1.25 * around or run.val_end - around < 0.005 * run.guess_loss or not (far or memorized):
        return None
    if run.train_end > 0.9 * float(run.train[best]) or run.val_end < 1.5 * run.train_end:
        return None
    first, last = run.step_of(best), run.last_step
    return Found(
        f"Validation loss was best at step {first} with {low:.3g} and has risen to {run.val_end:.3g}, while training loss fell "
        f"from {run.train[best]:.3g} to {run.train_end:.3g}.",
        "From there on the network memorizes its training samples; early stopping ends the run there and keeps the best weights.",
        {"early_stopping": "patience"},
        (
            EvidenceItem("epoch/val_loss", f"{low:.3g} → {run.val_end:.3g}", first, last),
            EvidenceItem("epoch/train_loss", f"{run.train[best]:.3g} → {run.train_end:.3g}", first, last),
        ),
    )


def level_around(run: Evidence, best: int) -> float:
    """The median validation loss of the five epochs around the best one, which alone may have been a lucky one."""
    return float(np.median(run.val[max(0, best - 2) : best + 3]))


@rule("Underfitting", severity=2)
def underfit(run: Evidence) -> Found | None:
    """Training loss itself stays high, and validation loss with it: the network is too small for the task, or held back by
    too much dropout or weight decay."""
    if not run.long_enough or run.non_finite or run.progress < 0.5 or run.val_end > 1.5 * run.train_end:
        return None
    cause = next(causes(run), None)
    if cause is None:
        return None
    text, remedy, fix, item = cause
    return Found(
        f"After {run.last_step} steps the loss is still {run.train_end:.3g} in training and {run.val_end:.3g} in validation, "
        f"while guessing has a loss of {run.guess_loss:.3g}.",
        f"{text}; {remedy}.",
        fix,
        (
            EvidenceItem("epoch/train_loss", f"{run.train_end:.3g}", 0, run.last_step),
            EvidenceItem("epoch/val_loss", f"{run.val_end:.3g}", 0, run.last_step),
            item,
        ),
    )


def causes(run: Evidence) -> Iterator[tuple[str, str, dict[str, Any], EvidenceItem]]:
    """Yields what holds the network back: the cause, what helps, the fix and its evidence."""
    config = run.config
    rates = {f"dropout.{name}": rate for name, rate in config.dropout.knobs.items() if rate >= 0.5}
    if rates and run.learned < 0.75:
        key, rate = max(rates.items(), key=lambda item: item[1])
        yield (
            f"Dropout silences {rate:.0%} of the units at every step",
            "a smaller rate leaves it enough units to learn with",
            dict.fromkeys(rates, 0.2),
            EvidenceItem(f"config/{key}", f"{rate:g}"),
        )
    decay, usual = (
        config.optimizer.knobs.get("weight_decay", 0.0),
        0.01 if config.optimizer.name == "adamw" else 0.0,
    )
    if strong_decay(config) and run.learned < 0.75:
        yield (
            f"Weight decay of {decay:g} pulls every weight toward zero faster than it can learn",
            f"{usual:g} lets the weights grow as far as the data requires",
            {"optimizer.weight_decay": usual},
            EvidenceItem("config/optimizer.weight_decay", f"{decay:g}"),
        )
    narrow, wider = widened(run)
    if wider and run.learned < 0.7:
        yield (
            "The network is too small for this data",
            "a wider or deeper one has the capacity for it",
            wider,
            EvidenceItem("config/model", f"{config.technique('model').label} with {narrow}"),
        )


def strong_decay(config: RunConfig) -> bool:
    """Returns whether weight decay is so strong that the loss may rise because of it. Only AdamW multiplies it by the rate."""
    decay = float(config.optimizer.knobs.get("weight_decay", 0.0))
    return decay >= (0.3 if config.optimizer.name == "adamw" else 0.01)


def widened(run: Evidence) -> tuple[str, dict[str, Any]]:
    """Where a network is so narrow that little can pass, and a wider one; nothing for others."""
    config = run.config
    narrow, wider = config.technique("model").facts["narrow"](config.model.knobs, NARROW)
    return narrow, {f"model.{knob}": value for knob, value in wider.items()}
