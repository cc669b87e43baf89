"""Normalization between a layer and the next, with its place relative to the activation.

Each function receives the number of features, the tensor's spatial dimensions (0 for vectors, 2 for images) and the
activation, and returns the named modules in the order in which they run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from trainer.lazy import lazy
from trainer.registry import declare_family, knob, technique

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

Modules = dict[str, "torch.nn.Module"]
Placement = Annotated[
    Literal["before", "after"],
    knob(
        "Placement",
        "Normalize before the activation (usual) or after it.",
        labels={"before": "Before activation", "after": "After activation"},
    ),
]
Eps = Annotated[
    float,
    knob("Epsilon", "Added to the variance so that the root never divides by zero.", gt=0, le=0.1, log=True),
]

declare_family(
    "normalization",
    label="Normalization",
    help="Rescales activations inside the network so that deeper layers see steadier inputs.",
    group="techniques",
    default="none",
)


@technique("normalization", label="None", formula="y = x", when="The baseline, and shallow networks.")
def none(features: int, dimensions: int, activation: torch.nn.Module) -> Modules:
    """Leaves activations as they are."""
    return {"activation": activation}


@technique(
    "normalization",
    label="Batch norm",
    switch=True,
    smallest_batch=2,
    source="Ioffe & Szegedy 2015, arXiv:1502.03167",
    formula=r"\hat{x} = \frac{x - \mu_B}{\sqrt{\sigma_B^2 + \epsilon}}, \qquad y = \gamma \hat{x} + \beta",
    when="Deep MLPs and convolutional networks in batches of 16 up: allows larger learning rates.",
    misconception=(
        "“It works by reducing internal covariate shift.” That is not settled; a smoother loss landscape is "
        "the better-supported account (Santurkar et al. 2018, arXiv:1805.11604). And drop_last=True, the "
        "usual cure for a last batch of one, loses data silently in each epoch: here that sample joins the "
        "batch before, and the run says so."
    ),
)
def batch(
    features: int,
    dimensions: int,
    activation: torch.nn.Module,
    *,
    placement: Placement = "before",
    momentum: Annotated[
        float,
        knob(
            "Momentum", "Weight of the newest batch in the running mean and variance.", gt=0, le=1, step=0.01
        ),
    ] = 0.1,
    eps: Eps = 1e-5,
) -> Modules:
    """Normalizes each feature over the batch while training, and by running statistics in evaluation.

    Training uses the batch's mean and its biased variance (torch.nn.BatchNorm1d / 2d). Works best in batches of 16 up.
    """
    kind = torch.nn.BatchNorm2d if dimensions == 2 else torch.nn.BatchNorm1d
    return _ordered(kind(features, eps=eps, momentum=momentum), activation, placement)


@technique(
    "normalization",
    label="Layer norm",
    source="Ba, Kiros & Hinton 2016, arXiv:1607.06450",
    formula=(
        r"\hat{x}_i = \frac{x_i - \mu_i}{\sqrt{\sigma_i^2 + \epsilon}} \ \text{ over the features of sample } "
        r"i, \qquad y = \gamma \hat{x} + \beta"
    ),
    when="Transformers, recurrent networks, and any batch size, also one.",
)
def layer(
    features: int,
    dimensions: int,
    activation: torch.nn.Module,
    *,
    placement: Placement = "before",
    eps: Eps = 1e-5,
) -> Modules:
    """Normalizes each sample over its features; the same in training and evaluation, whatever the batch size.

    For images the mean and variance are taken over channels and positions together (one group of a group norm).
    """
    norm = (
        torch.nn.GroupNorm(1, features, eps=eps) if dimensions == 2 else torch.nn.LayerNorm(features, eps=eps)
    )
    return _ordered(norm, activation, placement)


@technique(
    "normalization",
    label="Group norm",
    source="Wu & He 2018, arXiv:1803.08494",
    formula=(
        r"\hat{x}_{ig} = \frac{x_{ig} - \mu_{ig}}{\sqrt{\sigma_{ig}^2 + \epsilon}} \ \text{ over group } g "
        r"\text{ of sample } i, \qquad y = \gamma \hat{x} + \beta"
    ),
    when="Convolutional networks in batches that are too small for batch norm.",
)
def group(
    features: int,
    dimensions: int,
    activation: torch.nn.Module,
    *,
    groups: Annotated[
        int,
        knob(
            "Groups",
            "Features are normalized in this many groups; lowered where it does not divide.",
            ge=1,
            le=256,
        ),
    ] = 8,
    placement: Placement = "before",
    eps: Eps = 1e-5,
) -> Modules:
    """Normalizes each sample over groups of features: between layer and batch norm, good for images in small batches.

    The number of groups is the largest up to `groups` that divides the features. Sequences are normalized step by step.
    """
    # A group of one number is always 0 after normalization; with an image, its positions make it many.
    most = features if dimensions else max(1, features // 2)
    dividing = next(count for count in range(min(groups, most), 0, -1) if features % count == 0)
    if features == 1 and not dimensions:  # GroupNorm refuses a single number; layer norm is the same there
        return _ordered(torch.nn.LayerNorm(1, eps=eps), activation, placement)
    return _ordered(torch.nn.GroupNorm(dividing, features, eps=eps), activation, placement)


def _ordered(norm: torch.nn.Module, activation: torch.nn.Module, placement: str) -> Modules:
    if placement == "before":
        return {"norm": norm, "activation": activation}
    return {"activation": activation, "norm": norm}
