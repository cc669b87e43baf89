"""Overfitting and underfitting: more capacity than data can hold, or less than the task needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainer.config import RunConfig
from trainer.diagnosis.evidence import Evidence
from trainer.diagnosis.registry import Found, Mark, rule

NARROW = 4  # units in the narrowest place of a network that is too small for anything curved


@rule("Overfitting", severity=2, hides=("plateau",))
def overfit(run: Evidence) -> Found | None:
    """Training loss goes on falling while validation loss rises: the network learns its samples by heart. Stop early, use
    dropout or augmentation, a smaller network or more data."""
    if not run.long_enough or run.non_finite or run.config.early_stopping.name != "none":
        return None  # with early stopping the remedy is on: the best weights come back at the end
    best = int(run.val.argmin())
    low, rise = float(run.val[best]), run.val_end - float(run.val[best])
    fell = run.train_end < 0.9 * float(run.train[best])
    if rise < 0.1 * run.guess or run.val_end < 1.25 * low or not fell or run.val_end < 1.5 * run.train_end:
        return None
    first, last = run.step_of(best), run.last_step
    return Found(
        f"Validation loss was best at step {first} with {low:.3g} and has risen to {run.val_end:.3g}, while training loss fell "
        f"from {run.train[best]:.3g} to {run.train_end:.3g}.",
        "From there on the network learns its training samples by heart, and early stopping ends the run there and keeps the "
        "best weights.",
        {"early_stopping": "patience"},
        (
            Mark("epoch/val_loss", f"{low:.3g} → {run.val_end:.3g}", first, last),
            Mark("epoch/train_loss", f"{run.train[best]:.3g} → {run.train_end:.3g}", first, last),
        ),
    )


@rule("Underfitting", severity=2)
def underfit(run: Evidence) -> Found | None:
    """Training loss itself stays high, and validation with it: the network is too small for the task, or held down by too
    much dropout or weight decay."""
    if not run.long_enough or run.non_finite or run.progress < 0.5 or run.val_end > 1.5 * run.train_end:
        return None
    cause = next(causes(run), None)
    if cause is None:
        return None
    text, remedy, fix, mark = cause
    return Found(
        f"After {run.last_step} steps the loss is still {run.train_end:.3g} in training and {run.val_end:.3g} in validation, "
        f"where always guessing has {run.guess:.3g}.",
        f"{text}, and {remedy}.",
        fix,
        (
            Mark("epoch/train_loss", f"{run.train_end:.3g}", 0, run.last_step),
            Mark("epoch/val_loss", f"{run.val_end:.3g}", 0, run.last_step),
            mark,
        ),
    )


def causes(run: Evidence) -> Iterator[tuple[str, str, dict[str, Any], Mark]]:
    """What holds the network down: why, what would help, the fix and its evidence."""
    config = run.config
    rates = {f"dropout.{name}": rate for name, rate in config.dropout.knobs.items() if rate >= 0.5}
    if rates and run.learned < 0.75:
        key, rate = max(rates.items(), key=lambda item: item[1])
        yield (
            f"Dropout silences {rate:.0%} of the units at every step",
            "a smaller rate leaves the network enough of itself to learn with",
            dict.fromkeys(rates, 0.2),
            Mark(f"config/{key}", f"{rate:g}"),
        )
    decay, usual = (
        config.optimizer.knobs.get("weight_decay", 0.0),
        0.01 if config.optimizer.name == "adamw" else 0.0,
    )
    if strong_decay(config) and run.learned < 0.75:
        yield (
            f"Weight decay of {decay:g} pulls every weight to zero faster than it can learn",
            f"{usual:g} lets the weights grow as far as the data ask",
            {"optimizer.weight_decay": usual},
            Mark("config/optimizer.weight_decay", f"{decay:g}"),
        )
    narrow, wider = widened(run)
    if wider and run.learned < 0.7:
        yield (
            "The network is too small to bend to these data",
            "a wider or deeper one has room for what they hold",
            wider,
            Mark("config/model", f"{config.technique('model').label} with {narrow}"),
        )


def strong_decay(config: RunConfig) -> bool:
    """Whether weight decay is so strong that the loss may rise because of it. AdamW multiplies it by the rate, others do not."""
    decay = float(config.optimizer.knobs.get("weight_decay", 0.0))
    return decay >= (0.3 if config.optimizer.name == "adamw" else 0.01)


def widened(run: Evidence) -> tuple[str, dict[str, Any]]:
    """Where a network is so narrow that little can pass, and a wider one; nothing for others."""
    config = run.config
    narrow, wider = config.technique("model").facts["narrow"](config.model.knobs, NARROW)
    return narrow, {f"model.{knob}": value for knob, value in wider.items()}
