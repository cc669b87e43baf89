"""Failures that are set up before the first step: initial weights, norms and batches that do not go together, float16."""

from __future__ import annotations

import math

import numpy as np

from trainer.config import RunConfig
from trainer.diagnosis.evidence import Evidence
from trainer.diagnosis.registry import EvidenceItem, Found, rule

SUITS = {"selu": "lecun_normal", "tanh": "xavier_normal", "sigmoid": "xavier_normal"}
HUGE = 10  # times a guess's loss: what weights that start too large have


def suiting(run: Evidence) -> str:
    """The initialization for recurrent weights, or for the network's activation."""
    return "orthogonal" if run.recurrent else SUITS.get(run.config.activation.name, "kaiming_normal")


def wrong_start(run: Evidence) -> bool:
    """Whether the run's initial weights are to blame."""
    return wrong_init(run) is not None


CONSEQUENCES = (
    "lr_too_high",
    "lr_too_low",
    "vanishing",
    "exploding_gradients",
    "dead_relu",
    "plateau",
    "underfit",
    "overfit",
    "batch_norm_tiny_batch",
    "fp16_overflow",
)


@rule("Wrong initialization", severity=3, hides=CONSEQUENCES)
def wrong_init(run: Evidence) -> Found | None:
    """Initial weights must differ from each other, and be of a size that suits the activation: alike, all units learn the same
    thing; too small, the signal dies out with depth; too large, it explodes. Kaiming suits ReLU, Xavier tanh and sigmoid,
    LeCun SELU, orthogonal recurrent weights."""
    config, better = run.config, suiting(run)
    chosen = config.technique("initialization")
    if not chosen.facts.get("lesson") or config.initialization.name == better:
        return None
    huge = starts_huge(run)
    if not (huge and run.non_finite) and (not run.long_enough or run.learned > 0.8):
        return None
    seen, meaning, mark = symptoms(run, huge)
    label = RunConfig().changed({"initialization": better}).technique("initialization").label
    meaning = f"{meaning}, while {label} draws them at random in a size that suits the layers."
    return Found(seen, meaning, {"initialization": better}, (mark,))


def starts_huge(run: Evidence) -> bool:
    """Whether the initial weights already have an absurd loss, or one that is not finite, as in float16."""
    return bool(len(run.losses)) and not run.first_loss <= HUGE * run.guess_loss


def symptoms(run: Evidence, huge: bool) -> tuple[str, str, EvidenceItem]:
    """What is seen, what it means, and where."""
    name, end = run.config.initialization.name, run.train_end
    if huge:
        first = f"{run.first_loss:.3g}" if math.isfinite(run.first_loss) else "not finite"
        mark = EvidenceItem("step/loss", f"{first} at step 1", 0, min(3, run.last_step))
        seen = (
            f"The loss is {first} before the first step; the loss of random guessing is {run.guess_loss:.3g}."
        )
        return seen, "Weights that start too large blow the signal up at every layer", mark
    mark = EvidenceItem(
        "epoch/train_loss",
        f"{end:.3g} after {run.last_step} steps, guessing has a loss of {run.guess_loss:.3g}",
        0,
        run.last_step,
    )
    seen = f"After {run.last_step} steps training loss is {end:.3g}; the loss of random guessing is {run.guess_loss:.3g}."
    if name == "zeros":
        return seen, "With every weight at zero no hidden layer gets a gradient", mark
    if name == "constant":
        return seen, "With every weight alike all units of a layer learn the same thing indefinitely", mark
    return seen, "Weights of the wrong size let the signal die out or saturate from layer to layer", mark


@rule(
    "Batch norm with tiny batches",
    severity=2,
    hides=("underfit", "plateau", "dropout_before_batch_norm", "lr_too_low"),
)
def batch_norm_tiny_batch(run: Evidence) -> Found | None:
    """Batch norm estimates mean and variance from the batch; from a handful of samples these are mostly noise, which training
    must live with while evaluation uses running averages. Group or layer norm do not depend on the batch."""
    config = run.config
    if config.normalization.name != "batch" or config.batch_size > 8 or not run.long_enough or run.non_finite:
        return None
    handicapped = max(config.dropout.knobs.values(), default=0) >= 0.3 or config.mixing.name != "none"
    noisy = run.train_end > 1.3 * run.val_end or 1 - run.train_end / run.guess_loss < 0.3
    if handicapped or not noisy or 1 - run.train_end / run.guess_loss > 0.75:
        return None
    images = 2 in config.technique("model").facts["normalizes"]
    other = "group" if images else "layer"
    return Found(
        f"With batches of {config.batch_size} training loss stays at {run.train_end:.3g}, while validation, which uses running "
        f"averages, has {run.val_end:.3g}.",
        f"Mean and variance of {config.batch_size} samples are mostly noise, and {other} norm normalizes each sample by itself "
        "whatever the batch size.",
        {"normalization": other},
        (
            EvidenceItem("config/batch_size", f"{config.batch_size} samples per batch"),
            EvidenceItem("epoch/train_loss", f"{run.train_end:.3g}", 0, run.last_step),
            EvidenceItem("epoch/val_loss", f"{run.val_end:.3g}", 0, run.last_step),
        ),
    )


@rule("Dropout before batch norm", severity=2, hides=("underfit", "plateau"))
def dropout_before_batch_norm(run: Evidence) -> Found | None:
    """Dropout changes the variance of what the next batch norm sees, but only while training: its running statistics then
    do not fit evaluation, where no unit is silenced. Keep dropout small in front of batch norm, or use it after the last."""
    config = run.config
    rates = dropout_before(config)
    if config.normalization.name != "batch" or not rates or not run.long_enough or run.non_finite:
        return None
    if max(rates.values()) < 0.4 or run.val_end < run.train_end or run.learned > 0.8:
        return None
    shown = ", ".join(f"{rate:g}" for rate in rates.values())
    return Found(
        f"Validation loss is {run.val_end:.3g} against {run.train_end:.3g} in training, although dropout of {shown} handicaps "
        "training alone.",
        "Batch norm behind dropout learns the variance of a thinned-out signal and meets the full one in evaluation, so a "
        "small rate is safer here.",
        dict.fromkeys(rates, 0.1),
        (
            *(EvidenceItem(f"config/{key}", f"{rate:g} before batch norm") for key, rate in rates.items()),
            EvidenceItem("epoch/val_loss", f"{run.val_end:.3g}", 0, run.last_step),
            EvidenceItem("epoch/train_loss", f"{run.train_end:.3g}", 0, run.last_step),
        ),
    )


def dropout_before(config: RunConfig) -> dict[str, float]:
    """Flat keys and rates of the dropout that stands in front of a chosen norm in the configured network."""
    names = {knob.place: knob.name for knob in config.technique("dropout").knobs.values()}
    places = config.technique("model").facts["before_norm"](config.model.knobs)
    rates = {f"dropout.{names[place]}": config.dropout.knobs[names[place]] for place in places}
    return {key: rate for key, rate in rates.items() if rate > 0}


@rule("Overflow in float16", severity=2)
def fp16_overflow(run: Evidence) -> Found | None:
    """float16 ends at 65,504. The loss scaler skips a step whose gradient overflowed and halves its scale; a few skips at the
    start are how it finds its scale, but when they go on, or the loss itself overflows, the range is too small for this
    network. bfloat16 has the range of float32."""
    if run.config.precision.name != "fp16":
        return None
    scales = run.steps.get("loss_scale", np.empty(0))
    finite = scales[np.isfinite(scales)]
    norms = run.steps.get("grad_norm", np.empty(0))
    skipped = max(run.skipped_steps, int((~np.isfinite(norms)).sum()))
    if not overflowed(run) and not (skipped >= 8 and len(finite) and finite[-1] < 2**9):
        return None
    lowest = f"{finite[0]:,.0f} to {finite.min():,.0f}" if len(finite) else "its start"
    seen = (
        f"The loss was no longer finite at step {run.last_step}, without having risen before."
        if overflowed(run)
        else f"The loss scaler skipped {skipped} of {run.last_step} steps and lowered its scale from {lowest}."
    )
    return Found(
        seen,
        "Numbers above 65,504 do not fit float16, and bfloat16 has the range of float32 at the same size.",
        {"precision": "bf16"},
        (
            EvidenceItem("step/loss_scale", f"{lowest}, {skipped} steps skipped", 0, run.last_step),
            EvidenceItem("config/precision", "float16"),
        ),
    )


def overflowed(run: Evidence) -> bool:
    """Whether a float16 run's loss was no longer finite without having risen far before."""
    return run.config.precision.name == "fp16" and run.non_finite and run.peak[0] < 100 * run.guess_loss
