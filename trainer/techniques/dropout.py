"""Dropout: where units are silenced at random during training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from trainer.lazy import lazy
from trainer.registry import declare_family, knob, technique

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

declare_family(
    "dropout",
    label="Dropout",
    help="Silences random units while training so that no unit can rely on another.",
    group="techniques",
    default="dropout",
)


@technique("dropout", label="Dropout", source="Srivastava et al. 2014, JMLR 15")
def dropout(
    place: Literal["input", "hidden"],
    *,
    rate: Annotated[
        float,
        knob(
            "Dropout rate",
            "Share of hidden units silenced at each step; try 0.5, or 0.2 with batch norm.",
            ge=0,
            le=0.95,
            step=0.05,
        ),
    ] = 0.0,
    input_rate: Annotated[
        float,
        knob(
            "Input dropout rate",
            "Share of the inputs silenced at each step; 0.2 is usual.",
            ge=0,
            le=0.95,
            step=0.05,
        ),
    ] = 0.0,
) -> torch.nn.Module | None:
    """Silences each unit with the given probability while training; evaluation uses every unit.

    Inverted dropout: what is kept is scaled by 1 / (1 - rate) during training, so evaluation needs no correction.
    Returns None where the rate is 0, so that a network without dropout draws no random numbers for it.
    """
    chosen = {"input": input_rate, "hidden": rate}[place]
    return torch.nn.Dropout(chosen) if chosen > 0 else None
