"""What preflight shows, in sentences: for the page, the command line and screen readers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

HEALTHY_STD = (0.1, 10.0)
"""Standard deviations between which activations neither vanish nor explode; initializations aim at 1."""
MAX_GRADIENT_RATIO = 1000.0
"""Between the gradient norms of two layers. Beyond it, Adam may cope; plain gradient descent will not."""
MAX_GRADIENT_NORM = 100.0
"""Beyond it, a first step at a common learning rate wrecks the weights."""
MAX_LOSS_RATIO = 2.0
"""Of the first loss to that of random guessing: random outputs are slightly confident."""


@dataclass(frozen=True)
class Observation:
    """A sentence about a figure, and whether it is good news."""

    about: str
    good: bool
    text: str


def observations(answer: Mapping[str, Any]) -> list[Observation]:
    """Returns what the answer of a dry run shows, in the order of the figures."""
    found = [
        observe_loss(answer),
        observe_activations(answer["activations"]),
        observe_gradients(answer["gradients"]),
    ]
    if answer["overflows"]:
        found.append(observe_overflow(answer["loss_scale"], answer["overflows"]))
    return found


def observe_loss(answer: Mapping[str, Any]) -> Observation:
    """Compares the first loss with that of a network that knows nothing."""
    loss, base = answer["loss"], answer["baseline"]
    if answer["task"] == "classification":
        guess = f"random guessing among {answer['classes']} classes has a loss of ln {answer['classes']} = {loss_text(base)}"
    else:
        guess = f"always predicting the mean has a loss of {loss_text(base)}"
    if not math.isfinite(loss):
        return Observation(
            "loss", False, f"The first loss is {loss}: the outputs overflow, so no step is possible."
        )
    if loss > MAX_LOSS_RATIO * base:
        return Observation(
            "loss",
            False,
            f"The first loss is {loss_text(loss)}, but {guess}: the network starts out confident and wrong.",
        )
    return Observation("loss", True, f"The first loss is {loss_text(loss)}; {guess}.")


def observe_activations(layers: Sequence[Mapping[str, Any]]) -> Observation:
    """Checks that the signal keeps its scale through the layers. The outputs may be small: that is a cautious first guess."""
    hidden = layers[:-1] or layers
    low, high = HEALTHY_STD
    bad = next((one for one in layers if not math.isfinite(one["std"])), None)
    if bad:
        return Observation(
            "activations", False, f"The activations overflow at {bad['layer']}: the signal explodes."
        )
    smallest, largest = min(hidden, key=itemgetter("std")), max(layers, key=itemgetter("std"))
    if smallest["std"] < low:
        text = (
            f"The activations shrink to {short(smallest['std'])} at {smallest['layer']}: the signal vanishes."
        )
        return Observation("activations", False, text)
    if largest["std"] > high:
        text = f"The activations grow to {short(largest['std'])} at {largest['layer']}: the signal explodes."
        return Observation("activations", False, text)
    least = min(one["std"] for one in layers)
    return Observation(
        "activations",
        True,
        f"The activations keep their scale: standard deviations from {short(least)} to {short(largest['std'])}."
        if len(layers) > 1
        else f"There is no hidden layer; the standard deviation of the outputs is {short(largest['std'])}.",
    )


def observe_gradients(layers: Sequence[Mapping[str, Any]]) -> Observation:
    """Checks that the gradients of all layers have a similar scale."""
    bad = next((one for one in layers if not math.isfinite(one["grad_norm"])), None)
    if bad:
        return Observation("gradients", False, f"The gradient of {bad['layer']} overflows: it explodes.")
    smallest, largest = min(layers, key=itemgetter("grad_norm")), max(layers, key=itemgetter("grad_norm"))
    if not smallest["grad_norm"]:
        return Observation(
            "gradients", False, f"{smallest['layer']} receives no gradient, so it cannot learn."
        )
    ratio = largest["grad_norm"] / smallest["grad_norm"]
    if ratio > MAX_GRADIENT_RATIO:
        text = f"The gradient of {smallest['layer']} is {short(ratio)} times smaller than that of {largest['layer']}"
        return Observation("gradients", False, f"{text}: it vanishes on the way back.")
    if largest["grad_norm"] > MAX_GRADIENT_NORM:
        text = f"The gradient of {largest['layer']} has a norm of {short(largest['grad_norm'])}: it explodes."
        return Observation("gradients", False, text)
    return Observation(
        "gradients",
        True,
        f"Every layer receives a gradient: norms between {short(smallest['grad_norm'])} and {short(largest['grad_norm'])}.",
    )


def observe_overflow(scale: float, times: int) -> Observation:
    """Reports what loss scaling will do at first."""
    steps = "first step is" if times == 1 else f"first {times} steps are"
    text = f"float16 overflows at first: the {steps} skipped until the loss scale has fallen to {scale:,.0f}."
    return Observation("gradients", False, text)


def loss_text(value: float) -> str:
    """Returns a loss with two decimals, or shorter if it is huge."""
    return f"{value:.2f}" if abs(value) < 1000 else short(value)


def short(value: float) -> str:
    """Returns three digits, without an exponent where a person would write none."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
