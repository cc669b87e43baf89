"""A small convolutional network."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from trainer.lazy import lazy
from trainer.models.parts import Parts, narrow_knobs, sequential
from trainer.registry import knob, technique

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

SMALLEST_SIDE = 4


@technique(
    "model",
    label="CNN",
    accepts=("image",),
    places=("input", "conv", "hidden"),
    normalizes=(2, 0),
    before_norm=lambda _: ("input", "conv"),
    narrow=partial(narrow_knobs, {"channels": 16, "head": 64}),
    source="LeCun et al. 1998, Proc. IEEE 86(11)",
    link="https://doi.org/10.1109/5.726791",
    formula=r"h_l = \mathrm{pool}\big(f(K_l * h_{l-1} + b_l)\big)",
    when="Small images.",
)
def cnn(
    inputs: tuple[int, ...],
    outputs: int,
    parts: Parts,
    *,
    blocks: Annotated[
        int,
        knob(
            "Conv blocks",
            "Each is a 3×3 convolution and, while the image allows, 2×2 pooling.",
            ge=1,
            le=6,
            step=1,
        ),
    ] = 2,
    channels: Annotated[
        int,
        knob("Channels", "Of the first block; each further block has twice as many.", ge=1, le=256, step=8),
    ] = 16,
    head: Annotated[
        int,
        knob("Head width", "Units in the fully connected layer before the output.", ge=1, le=4096, step=16),
    ] = 64,
) -> torch.nn.Module:
    """Convolution, normalization, activation and pooling in blocks, then one hidden layer with dropout.

    Input [batch, channels, height, width]; output [batch, outputs]. Pooling stops once a side would fall under 2 pixels.
    """
    planes, height, width = inputs
    modules: dict[str, torch.nn.Module] = {}
    if (drop := parts.drop("input")) is not None:
        modules["input_dropout"] = drop
    for number in range(1, blocks + 1):
        size = channels * 2 ** (number - 1)
        convolution = torch.nn.Conv2d(planes, size, kernel_size=3, padding=1)
        block = parts.block("conv", convolution, size, 2)
        if min(height, width) >= SMALLEST_SIDE:
            block["pool"] = torch.nn.MaxPool2d(2)
            height, width = height // 2, width // 2
        block |= parts.dropout("conv")
        modules[f"block{number}"] = sequential(block)
        planes = size
    modules["flatten"] = torch.nn.Flatten()
    dense = torch.nn.Linear(planes * height * width, head)
    modules["head"] = sequential(parts.block("linear", dense, head, 0) | parts.dropout("hidden"))
    modules["output"] = torch.nn.Linear(head, outputs)
    return sequential(modules)
