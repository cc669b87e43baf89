"""Dropout: where units are silenced at random during training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from trainer.lazy import lazy
from trainer.registry import declare_family, knob, technique

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

Place = Literal["input", "hidden", "conv", "recurrent", "attention", "feedforward"]

declare_family(
    "dropout",
    label="Dropout",
    help="Silences random units while training so that no unit can rely on another.",
    group="techniques",
    default="dropout",
    hot=True,
)


def rate_knob(place: Place, label: str, help: str) -> object:
    """The dropout rate of a place."""
    return knob(label, help, ge=0, le=0.95, step=0.05, place=place)


@technique(
    "dropout",
    label="Dropout",
    source="Srivastava et al. 2014, JMLR 15",
    link="https://jmlr.org/papers/v15/srivastava14a.html",
    formula=r"y = \frac{m \odot x}{1 - p}, \quad m_i \sim \mathrm{Bernoulli}(1 - p) \qquad \text{evaluation: } y = x",
    when=(
        "Large networks on few samples: after the activation, before the next layer. Never after the output, "
        "and not before batch norm."
    ),
    misconception=(
        "“Outputs are scaled by 1 − p at test time.” Not in PyTorch, and not here: what is kept is scaled up "
        "in training, evaluation does nothing."
    ),
    example={"rate": 0.5},
)
def dropout(
    place: Place,
    *,
    rate: Annotated[
        float,
        rate_knob(
            "hidden",
            "Dropout rate",
            "Share of hidden units silenced each step; try 0.5, or 0.2 with batch norm.",
        ),
    ] = 0.0,
    input_rate: Annotated[
        float,
        rate_knob("input", "Input dropout rate", "Share of the inputs silenced at each step; 0.2 is usual."),
    ] = 0.0,
    conv_rate: Annotated[
        float,
        rate_knob(
            "conv", "Conv dropout rate", "Share of whole feature maps silenced after a block; try 0.25."
        ),
    ] = 0.0,
    recurrent_rate: Annotated[
        float,
        rate_knob("recurrent", "Recurrent dropout rate", "Between recurrent layers; 0.2 to 0.5 is usual."),
    ] = 0.0,
    attention_rate: Annotated[
        float,
        rate_knob("attention", "Attention dropout rate", "On the attention weights; 0.1 is usual."),
    ] = 0.0,
    feedforward_rate: Annotated[
        float,
        rate_knob(
            "feedforward", "Feed-forward dropout rate", "After each sublayer's projection; 0.1 is usual."
        ),
    ] = 0.0,
) -> torch.nn.Module | None:
    """Silences each unit with the given probability while training; evaluation uses every unit.

    Inverted dropout: what is kept is scaled by 1 / (1 - rate) during training, so evaluation needs no correction.
    After conv blocks whole feature maps go (Dropout2d): neighbouring pixels say the same. Returns None where the rate is 0,
    so that a network without dropout draws no random numbers for it.
    """
    chosen = {
        "input": input_rate,
        "hidden": rate,
        "conv": conv_rate,
        "recurrent": recurrent_rate,
        "attention": attention_rate,
        "feedforward": feedforward_rate,
    }[place]
    kind = torch.nn.Dropout2d if place == "conv" else torch.nn.Dropout
    return kind(p=chosen) if chosen > 0 else None
