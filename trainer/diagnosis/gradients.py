"""Failures of the signal on its way through the network: vanishing or exploding gradients, dead units."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer.config import with_rate
from trainer.diagnosis.evidence import Evidence
from trainer.diagnosis.fit import widened
from trainer.diagnosis.registry import EvidenceItem, Found, rule

MIN_HEALTH_SAMPLES = 5
MIN_DEAD_SHARE = 0.8  # of a layer's units
MIN_GRADIENT_RATIO = 1e-3  # gradient of the first layer over that of the last


@rule("Exploding gradients", severity=3, hides=("lr_too_high", "plateau", "underfit", "overfit", "dead_relu"))
def exploding_gradients(run: Evidence) -> Found | None:
    """Backpropagation multiplies the gradient step by step through time or depth, until single batches have gradients many
    times larger than the others and wreck the weights. Clipping the gradient norm is the remedy."""
    if (spike := largest_spike(run)) is None:
        return None
    norm, step, usual = spike
    end = "is no longer finite" if run.non_finite else f"is now {run.train_end:.3g}"
    return Found(
        f"The gradient norm jumped to {norm:.3g} at step {step}, {norm / usual:.0f} times its usual {usual:.2g}, and the loss "
        f"{end}.",
        "One such step undoes hundreds of good ones; clipping the gradient to a norm of 1 keeps its direction but limits the "
        "step.",
        {"clipping": "by_norm"},
        (EvidenceItem("step/grad_norm", f"{norm:.3g} at step {step}, usual {usual:.2g}", step, step),),
    )


def largest_spike(run: Evidence) -> tuple[float, int, float] | None:
    """Returns the largest gradient norm, its step and the usual norm, of a recurrent network whose loss suffered from it."""
    if not run.recurrent or run.config.clipping.name != "none" or not (run.long_enough or run.non_finite):
        return None
    if run.config.learning_rate > 30 * run.usual_rate:
        return None
    norms = run.steps.get("grad_norm", np.empty(0))
    finite = norms[np.isfinite(norms)]
    if len(finite) < 20:
        return None
    usual, index = float(np.median(finite)), int(np.nanargmax(np.where(np.isfinite(norms), norms, 0)))
    harmed = run.non_finite or run.learned < 0.5 or loss_rose_again(run)
    if not harmed or usual == 0 or norms[index] < 4 * usual or norms[index] < 2:
        return None
    return float(norms[index]), int(run.steps["step"][index]), usual


def loss_rose_again(run: Evidence) -> bool:
    """Returns whether the training loss rose again, far above its lowest."""
    low = float(np.nanmin(run.train))
    return run.train_end > 2 * low and run.train_end - low > 0.1 * run.guess_loss


@rule("Vanishing gradients", severity=3, hides=("lr_too_low", "underfit", "plateau"))
def vanishing(run: Evidence) -> Found | None:
    """Each layer passes back less gradient than it receives, so the first layers of a deep network hardly learn. This is
    typical of sigmoid and tanh, whose slope is below 1, and of initial weights that are too small."""
    if not run.long_enough or run.non_finite or run.learned > 0.7 or run.own_normalization:
        return None
    norms = run.layers("grad_norm")
    if len(norms) < 4 or len(next(iter(norms.values()))) < MIN_HEALTH_SAMPLES:
        return None
    names, typical = list(norms), [float(np.nanmedian(values)) for values in norms.values()]
    first, last = typical[0], max(typical)
    if not 0 < first < (MIN_GRADIENT_RATIO if run.learned < 0.4 else MIN_GRADIENT_RATIO**2) * last:
        return None
    return Found(
        f"The gradient shrinks from {last:.2g} in {names[typical.index(last)]} to {first:.2g} in {names[0]}, and after "
        f"{run.last_step} steps the loss is still {run.train_end:.3g}.",
        f"{cause_of(run)}, so the first layers keep their initial weights and the last ones have nothing useful to work with.",
        gradient_fix(run),
        tuple(
            EvidenceItem(f"health/grad_norm/{names[index]}", f"median {typical[index]:.2g}", 0, run.last_step)
            for index in (0, len(names) // 2, len(names) - 1)
        ),
    )


def cause_of(run: Evidence) -> str:
    """Returns why gradients shrink here, as the beginning of a sentence."""
    if run.config.activation.name in ("sigmoid", "tanh"):
        label = run.config.technique("activation").label
        return f"{label} passes back only a fraction of the gradient at each layer"
    return "Each layer passes back only a fraction of the gradient that it receives"


def gradient_fix(run: Evidence) -> dict[str, Any]:
    """Returns the knobs that let gradients through: an activation whose slope is 1, else a normalization."""
    if run.config.activation.name in ("sigmoid", "tanh"):
        return {"activation": "relu", "initialization": "kaiming_normal"}
    if run.config.normalization.name == "none" and not run.own_normalization:
        return {"normalization": "layer"}
    return {"initialization": "kaiming_normal", "activation": "relu"}


@rule("Dead ReLUs", severity=3, hides=("plateau", "underfit", "lr_too_low", "vanishing"))
def dead_relu(run: Evidence) -> Found | None:
    """A ReLU unit whose input is negative for every sample outputs zero, gets no gradient and never recovers. One large step
    can do this to a whole layer; a leaky ReLU and smaller steps prevent it."""
    if (dead := harmful_death(run)) is None:
        return None
    layer, share, since = dead
    rate = run.config.learning_rate
    smaller = with_rate(run.config, rate / 10) if rate > run.usual_rate else {}
    return Found(
        f"In {layer}, {share:.0%} of the units have output zero for every sample since step {since}, and the loss stays at "
        f"{run.train_end:.3g}.",
        "A unit that is never positive gets no gradient and cannot recover; a leaky ReLU always passes some gradient"
        f"{', and smaller steps keep more units alive' if smaller else ''}.",
        {"activation": "leaky_relu", **smaller},
        (EvidenceItem(f"health/act_dead/{layer}", f"{share:.0%} of the units", since, run.last_step),),
    )


def harmful_death(run: Evidence) -> tuple[str, float, int] | None:
    """Returns the layer with the most dead units, their share and since which step, if the loss suffers from it."""
    if not run.long_enough or run.non_finite or run.learned > 0.6:
        return None
    if max(run.config.dropout.knobs.values()) > 0.7 or widened(run)[1]:
        return None  # heavy dropout kills them, or the layer has so few units that one is a large share
    return deadest(run)


def deadest(run: Evidence) -> tuple[str, float, int] | None:
    """Returns the layer with the most dead units, their share and since which step, if most of a layer is dead."""
    if run.config.activation.name != "relu":
        return None
    shares = {
        name: float(np.nanmedian(values[-MIN_HEALTH_SAMPLES:]))
        for name, values in run.layers("act_dead").items()
        if len(values) >= MIN_HEALTH_SAMPLES and np.isfinite(values[-MIN_HEALTH_SAMPLES:]).any()
    }
    if not shares or max(shares.values()) < MIN_DEAD_SHARE:
        return None
    layer = max(shares, key=shares.__getitem__)
    alive = np.flatnonzero(~(run.layers("act_dead")[layer] >= MIN_DEAD_SHARE))
    since = run.health["step"][min(alive[-1] + 1, len(run.health["step"]) - 1) if len(alive) else 0]
    return layer, shares[layer], int(since)
