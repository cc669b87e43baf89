"""Mixing: trains on blends of two samples and their labels."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Annotated

from trainer.lazy import lazy
from trainer.registry import declare_family, knob, technique

if TYPE_CHECKING:
    import torch
    from torchvision.transforms import v2

    Pair = tuple[torch.Tensor, torch.Tensor]
else:
    torch = lazy("torch")
    v2 = lazy("torchvision.transforms.v2")

Alpha = Annotated[
    float,
    knob(
        "α",
        "λ is drawn from Beta(α, α): small values leave one sample almost unmixed.",
        gt=0,
        le=10,
        step=0.1,
    ),
]

declare_family(
    "mixing",
    label="Mixing",
    help="Trains on blends of two samples and their labels.",
    group="augmentation",
    default="none",
)


@technique("mixing", label="Off", formula=r"\tilde{x} = x, \quad \tilde{y} = y", when="The baseline.")
def none(inputs: torch.Tensor, targets: torch.Tensor, stream: torch.Generator) -> Pair:
    """Leaves samples as they are."""
    return inputs, targets


def blend(inputs: torch.Tensor, targets: torch.Tensor, classes: int, alpha: float) -> Pair:
    """Mixup: blends each sample with another, λ to 1 − λ, and their labels alike."""
    share = torch.distributions.Beta(alpha, alpha).sample().item()
    other = torch.randperm(len(inputs))
    labels = torch.nn.functional.one_hot(targets, classes).float()
    return torch.lerp(inputs[other], inputs, share), torch.lerp(labels[other], labels, share)


@technique(
    "mixing",
    label="Mixup",
    task="classification",
    accepts=("table", "plane", "image", "sequence"),
    source="Zhang et al. 2017, arXiv:1710.09412",
    formula=(
        r"\tilde{x} = \lambda x_i + (1 - \lambda) x_j, \quad \tilde{y} = \lambda y_i + (1 - \lambda) y_j, "
        r"\quad \lambda \sim \mathrm{Beta}(\alpha, \alpha)"
    ),
    when=(
        "Classification with few samples or noisy labels; train longer. Training accuracy then counts the "
        "share of the label that the prediction hits."
    ),
    short=blend,
)
def mixup(
    inputs: torch.Tensor, targets: torch.Tensor, stream: torch.Generator, *, alpha: Alpha = 0.2
) -> Pair:
    """Blends each sample with another, λ to 1 − λ, and their labels likewise.

    Inputs [batch, ...] float, targets [batch, classes] of probabilities; returns both in the same shapes.
    """
    share, other = beta(alpha, stream), partners(targets, stream)
    return torch.lerp(inputs[other], inputs, share), torch.lerp(targets[other], targets, share)


@technique(
    "mixing",
    label="CutMix",
    task="classification",
    accepts=("image",),
    source="Yun et al. 2019, arXiv:1905.04899",
    formula=(
        r"\tilde{x} = M \odot x_i + (1 - M) \odot x_j, \quad \tilde{y} = \lambda y_i + (1 - \lambda) y_j, "
        r"\quad \lambda = \mathrm{mean}(M)"
    ),
    when="Photographs, where a part of the object is enough to recognize it.",
    short=lambda inputs, targets, classes, alpha: v2.CutMix(alpha=alpha, num_classes=classes)(
        inputs, targets
    ),
    misconception=(
        "“The labels are mixed by the λ that was drawn.” A box that crosses the border is smaller, so λ must be computed from "
        "the visible area."
    ),
)
def cutmix(
    inputs: torch.Tensor, targets: torch.Tensor, stream: torch.Generator, *, alpha: Alpha = 1.0
) -> Pair:
    """Pastes a box from another image and mixes the labels by visible area.

    The box covers 1 − λ of the area around a random center. It is clamped at the border, so λ is computed again from it.
    """
    share, other = beta(alpha, stream), partners(targets, stream)
    height, width = inputs.shape[2:]
    side = (1 - share) ** 0.5
    top, bottom = span(side, height, stream)
    left, right = span(side, width, stream)
    mixed = inputs.clone()
    mixed[:, :, top:bottom, left:right] = inputs[other][:, :, top:bottom, left:right]
    visible = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, torch.lerp(targets[other], targets, visible)


def beta(alpha: float, stream: torch.Generator) -> float:
    """Returns λ from Beta(α, α). torch's sampler takes no generator, so the stream seeds Python's."""
    return Random(int(torch.randint(2**62, (), generator=stream))).betavariate(alpha, alpha)


def partners(targets: torch.Tensor, stream: torch.Generator) -> torch.Tensor:
    """Returns a random permutation of the batch."""
    return torch.randperm(len(targets), generator=stream).to(targets.device)


def span(side: float, length: int, stream: torch.Generator) -> tuple[int, int]:
    """Returns start and end of a box of relative length `side` around a random center, clamped to the image."""
    center = int(torch.randint(length, (), generator=stream))
    half = int(side * length) // 2
    return max(0, center - half), min(length, center + half)
