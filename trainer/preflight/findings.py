"""What the figures before the first step say, in sentences: for the page, for the command line, for screen readers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

HEALTHY = (0.1, 10.0)
"""Standard deviations between which activations neither die out nor blow up; initializations aim at 1."""
STEEP = 1000.0
"""A gradient this many times smaller than another layer's: Adam may cope, plain gradient descent will not."""
LARGE = 100.0
"""A gradient norm beyond which a first step at a usual learning rate throws the weights about."""
SURPRISED = 2.0
"""The first loss may be so many times the one of guessing: random outputs are a little sure of themselves."""


@dataclass(frozen=True)
class Finding:
    """One sentence about one figure, and whether it is good news."""

    about: str
    good: bool
    text: str


def findings(answer: Mapping[str, Any]) -> list[Finding]:
    """The sentences, in the order of the figures."""
    found = [read_loss(answer), read_activations(answer["activations"]), read_gradients(answer["gradients"])]
    if answer["overflows"]:
        found.append(read_overflow(answer["loss_scale"], answer["overflows"]))
    return found


def read_loss(answer: Mapping[str, Any]) -> Finding:
    """The first loss against that of a network that knows nothing."""
    loss, base = answer["loss"], answer["baseline"]
    if answer["task"] == "classification":
        guess = f"guessing evenly among {answer['classes']} classes gives ln {answer['classes']} = {loss_text(base)}"
    else:
        guess = f"always guessing the average gives {loss_text(base)}"
    if not math.isfinite(loss):
        return Finding(
            "loss", False, f"The first loss is {loss}: the outputs overflow, so no step is possible."
        )
    if loss > SURPRISED * base:
        return Finding(
            "loss", False, f"The first loss is {loss_text(loss)}, but {guess}: it starts out sure, and wrong."
        )
    return Finding("loss", True, f"The first loss is {loss_text(loss)}; {guess}.")


def read_activations(layers: Sequence[Mapping[str, Any]]) -> Finding:
    """Whether the signal keeps its size through the layers. The outputs may be small: that is a modest first guess."""
    hidden = layers[:-1] or layers
    low, high = HEALTHY
    bad = next((one for one in layers if not math.isfinite(one["std"])), None)
    if bad:
        return Finding("activations", False, f"The activations overflow at {bad['layer']}: they explode.")
    smallest, largest = min(hidden, key=itemgetter("std")), max(layers, key=itemgetter("std"))
    if smallest["std"] < low:
        text = (
            f"The activations shrink to {short(smallest['std'])} at {smallest['layer']}: the signal vanishes."
        )
        return Finding("activations", False, text)
    if largest["std"] > high:
        text = f"The activations grow to {short(largest['std'])} at {largest['layer']}: the signal explodes."
        return Finding("activations", False, text)
    least = min(one["std"] for one in layers)
    return Finding(
        "activations",
        True,
        f"The activations keep their size: between {short(least)} and {short(largest['std'])} at every layer."
        if len(layers) > 1
        else f"There is no hidden layer; the outputs spread by {short(largest['std'])}.",
    )


def read_gradients(layers: Sequence[Mapping[str, Any]]) -> Finding:
    """Whether every layer learns at a like pace."""
    bad = next((one for one in layers if not math.isfinite(one["grad_norm"])), None)
    if bad:
        return Finding("gradients", False, f"The gradient of {bad['layer']} overflows: it explodes.")
    smallest, largest = min(layers, key=itemgetter("grad_norm")), max(layers, key=itemgetter("grad_norm"))
    if not smallest["grad_norm"]:
        return Finding(
            "gradients", False, f"{smallest['layer']} receives no gradient at all: it cannot learn."
        )
    ratio = largest["grad_norm"] / smallest["grad_norm"]
    if ratio > STEEP:
        text = f"The gradient of {smallest['layer']} is {short(ratio)} times smaller than that of {largest['layer']}"
        return Finding("gradients", False, f"{text}: it vanishes on the way back.")
    if largest["grad_norm"] > LARGE:
        text = f"The gradient of {largest['layer']} has a norm of {short(largest['grad_norm'])}: it explodes."
        return Finding("gradients", False, text)
    return Finding(
        "gradients",
        True,
        f"Every layer receives a gradient: norms between {short(smallest['grad_norm'])} and {short(largest['grad_norm'])}.",
    )


def read_overflow(scale: float, times: int) -> Finding:
    """What loss scaling will do at first."""
    steps = "first step is" if times == 1 else f"first {times} steps are"
    text = (
        f"float16 overflows at first: the {steps} skipped, until the loss scale has fallen to {scale:,.0f}."
    )
    return Finding("gradients", False, text)


def loss_text(value: float) -> str:
    """A loss with two decimals, a huge one shorter."""
    return f"{value:.2f}" if abs(value) < 1000 else short(value)


def short(value: float) -> str:
    """Three digits, without an exponent where a person would write none."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
