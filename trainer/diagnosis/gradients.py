"""Failures of the signal's way through the network: gradients that vanish or explode, units that died."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer.diagnosis.evidence import Evidence
from trainer.diagnosis.fit import widened
from trainer.diagnosis.registry import Found, Mark, rule

FEWEST_LOOKS = 5
DEAD = 0.8  # share of a layer's units
VANISHED = 1e-3  # gradient of the first layer over that of the last


@rule("Exploding gradients", severity=3, hides=("lr_too_high", "plateau", "underfit", "overfit", "dead_relu"))
def exploding_gradients(run: Evidence) -> Found | None:
    """Backpropagation multiplies the gradient step by step through time or depth, until single batches have gradients many
    times larger than the others and throw the weights away. Clipping the gradient's norm is the remedy."""
    if (spike := exploding(run)) is None:
        return None
    norm, step, usual = spike
    end = (
        "ended in a loss that is no longer finite"
        if run.non_finite
        else f"left the loss at {run.train_end:.3g}"
    )
    return Found(
        f"The gradient's norm jumped to {norm:.3g} at step {step}, {norm / usual:.0f} times its usual {usual:.2g}, and the run "
        f"{end}.",
        "One such step undoes hundreds of good ones, and clipping the gradient to a norm of 1 keeps its direction while taking "
        "away its force.",
        {"clipping": "by_norm"},
        (Mark("step/grad_norm", f"{norm:.3g} at step {step}, usual {usual:.2g}", step, step),),
    )


def exploding(run: Evidence) -> tuple[float, int, float] | None:
    """The largest gradient norm, its step and the usual norm, of a recurrent network whose loss suffered from it."""
    if not run.recurrent or run.config.clipping.name != "none" or not (run.long_enough or run.non_finite):
        return None
    if run.config.learning_rate > 30 * run.usual_rate:
        return None
    norms = run.steps.get("grad_norm", np.empty(0))
    finite = norms[np.isfinite(norms)]
    if len(finite) < 20:
        return None
    usual, place = float(np.median(finite)), int(np.nanargmax(np.where(np.isfinite(norms), norms, 0)))
    harmed = run.non_finite or run.learned < 0.5 or suffered(run)
    if not harmed or norms[place] < 4 * usual or norms[place] < 2:
        return None
    return float(norms[place]), int(run.steps["step"][place]), usual


def suffered(run: Evidence) -> bool:
    """Whether the training loss rose again, far above its lowest."""
    low = float(np.nanmin(run.train))
    return run.train_end > 2 * low and run.train_end - low > 0.1 * run.guess


@rule("Vanishing gradients", severity=3, hides=("lr_too_low", "underfit", "plateau"))
def vanishing(run: Evidence) -> Found | None:
    """Each layer passes less gradient back than it received, so that the first layers of a deep network hardly learn:
    typical of sigmoid and tanh, whose slope is below 1, and of weights that start too small."""
    if not run.long_enough or run.non_finite or run.learned > 0.7 or run.own_normalization:
        return None
    norms = run.layers("grad_norm")
    if len(norms) < 4 or len(next(iter(norms.values()))) < FEWEST_LOOKS:
        return None
    names, typical = list(norms), [float(np.nanmedian(values)) for values in norms.values()]
    first, last = typical[0], max(typical)
    if not 0 < first < (VANISHED if run.learned < 0.4 else VANISHED**2) * last:
        return None
    return Found(
        f"The gradient shrinks from {last:.2g} in {names[typical.index(last)]} to {first:.2g} in {names[0]}, and after "
        f"{run.last_step} steps the loss is still {run.train_end:.3g}.",
        f"{because(run)}, so the first layers stay as they were drawn and the last ones have nothing to work with.",
        opened(run),
        tuple(
            Mark(f"health/grad_norm/{names[place]}", f"median {typical[place]:.2g}", 0, run.last_step)
            for place in (0, len(names) // 2, len(names) - 1)
        ),
    )


def because(run: Evidence) -> str:
    """Why gradients shrink here, the beginning of a sentence."""
    if run.config.activation.name in ("sigmoid", "tanh"):
        label = run.config.technique("activation").label
        return f"{label} lets through a fraction of the gradient at each of the layers"
    return "Each layer passes on a fraction of the gradient that it receives"


def opened(run: Evidence) -> dict[str, Any]:
    """What lets gradients through: an activation whose slope is 1, else a normalization."""
    if run.config.activation.name in ("sigmoid", "tanh"):
        return {"activation": "relu", "initialization": "kaiming_normal"}
    if run.config.normalization.name == "none" and not run.own_normalization:
        return {"normalization": "layer"}
    return {"initialization": "kaiming_normal", "activation": "relu"}


@rule("Dead ReLUs", severity=3, hides=("plateau", "underfit", "lr_too_low", "vanishing"))
def dead_relu(run: Evidence) -> Found | None:
    """A ReLU unit whose input is negative for every sample puts out zero, gets no gradient and never comes back. One large
    step can do that to a whole layer; a leaky ReLU and shorter steps prevent it."""
    if not run.long_enough or run.non_finite or run.learned > 0.6 or (dead := deadest(run)) is None:
        return None
    if max(run.config.dropout.knobs.values()) > 0.7 or widened(run)[1]:
        return None  # they die of what dropout does to the layer before, or are so few that one is a layer
    layer, share, since = dead
    rate = run.config.learning_rate
    shorter = {"learning_rate": rate / 10} if rate > run.usual_rate else {}
    return Found(
        f"In {layer} {share:.0%} of the units put out zero for every sample since step {since}, and the loss stays at "
        f"{run.train_end:.3g}.",
        "A unit that is never positive gets no gradient and cannot come back, while a leaky ReLU always leaves it a way"
        f"{', and shorter steps do not push it over the edge' if shorter else ''}.",
        {"activation": "leaky_relu", **shorter},
        (Mark(f"health/act_dead/{layer}", f"{share:.0%} of the units", since, run.last_step),),
    )


def deadest(run: Evidence) -> tuple[str, float, int] | None:
    """The layer with most dead units, their share and since when, if most of a layer is dead."""
    if run.config.activation.name != "relu":
        return None
    shares = {
        name: float(np.nanmedian(values[-FEWEST_LOOKS:]))
        for name, values in run.layers("act_dead").items()
        if len(values) >= FEWEST_LOOKS and np.isfinite(values[-FEWEST_LOOKS:]).any()
    }
    if not shares or max(shares.values()) < DEAD:
        return None
    layer = max(shares, key=shares.__getitem__)
    alive = np.flatnonzero(~(run.layers("act_dead")[layer] >= DEAD))
    since = run.health["step"][min(alive[-1] + 1, len(run.health["step"]) - 1) if len(alive) else 0]
    return layer, shares[layer], int(since)
