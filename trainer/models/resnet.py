"""A small residual network."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from trainer.lazy import lazy
from trainer.models.parts import Parts, narrow_knobs, sequential
from trainer.registry import knob, technique

if TYPE_CHECKING:
    import torch

    from trainer import layers
else:
    torch = lazy("torch")
    layers = lazy("trainer.layers")


@technique(
    "model",
    label="ResNet",
    accepts=("image",),
    places=("input", "conv", "hidden"),
    normalizes=(2,),
    before_norm=lambda knobs: ("input", "conv") if knobs["stages"] * knobs["blocks"] > 1 else ("input",),
    narrow=partial(narrow_knobs, {"channels": 16}),
    source="He et al. 2015, arXiv:1512.03385",
    formula=(
        r"h_l = f\big(F(h_{l-1}) + h_{l-1}\big), \quad F = \text{norm} \circ \text{conv} \circ f \circ "
        r"\text{norm} \circ \text{conv}"
    ),
    when="Images, once a plain CNN no longer gains from depth.",
)
def resnet(
    inputs: tuple[int, ...],
    outputs: int,
    parts: Parts,
    *,
    stages: Annotated[
        int,
        knob("Stages", "Each further stage halves the image and doubles the channels.", ge=1, le=4, step=1),
    ] = 2,
    blocks: Annotated[int, knob("Blocks", "Residual blocks in each stage.", ge=1, le=8, step=1)] = 1,
    channels: Annotated[int, knob("Channels", "Of the first stage.", ge=1, le=128, step=8)] = 16,
    skips: Annotated[
        bool, knob("Skip connections", "Add each block's input to its output; off, as a control, to see why.")
    ] = True,
) -> torch.nn.Module:
    """Residual blocks: convolution, norm, activation, convolution, norm, plus the input itself.

    Input [batch, channels, height, width]; output [batch, outputs]. The average over all positions feeds the last layer.
    """
    modules: dict[str, torch.nn.Module] = {}
    if (drop := parts.drop("input")) is not None:
        modules["input_dropout"] = drop
    stem = torch.nn.Conv2d(inputs[0], channels, kernel_size=3, padding=1)
    modules["stem"] = sequential(parts.block("conv", stem, channels, 2))
    planes = channels
    for stage in range(stages):
        size = channels * 2**stage
        for number in range(blocks):
            halves = stage > 0 and number == 0
            stride = 2 if halves else 1
            modules[f"stage{stage + 1}_block{number + 1}"] = residual(planes, size, stride, parts, skips)
            planes = size
    modules["pool"] = torch.nn.AdaptiveAvgPool2d(1)
    modules["flatten"] = torch.nn.Flatten()
    modules |= {f"head_{name}": module for name, module in parts.dropout("hidden").items()}
    modules["output"] = torch.nn.Linear(planes, outputs)
    return sequential(modules)


def residual(planes: int, size: int, stride: int, parts: Parts, skips: bool) -> torch.nn.Module:
    """One block; where the shape changes, the skip is a 1×1 convolution. Without `skips`, there is only the body."""

    def normalized(conv: torch.nn.Module, activation: torch.nn.Module) -> torch.nn.Module:
        return sequential({"conv": conv, **parts.normalize(size, 2, activation)})

    first = torch.nn.Conv2d(planes, size, kernel_size=3, stride=stride, padding=1)
    second = torch.nn.Conv2d(size, size, kernel_size=3, padding=1)
    body = {"first": normalized(first, parts.activate()), "second": normalized(second, torch.nn.Identity())}
    after = sequential({"activation": parts.activate(), **parts.dropout("conv")})
    if not skips:
        return sequential({"body": sequential(body), "after": after})
    skip: torch.nn.Module = torch.nn.Identity()
    if stride != 1 or planes != size:
        skip = torch.nn.Conv2d(planes, size, kernel_size=1, stride=stride)
    return layers.Residual(sequential(body), skip, after)
