"""Initial weights.

Each scheme fills `weight` in place from `generator`. Biases arrive as zeros and stay so unless a scheme fills them too.
Linear weights are [fan_out, fan_in]; convolution weights [out, in, height, width] have fan_in = in · height · width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from trainer.lazy import lazy
from trainer.registry import declare_family, knob, technique

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

Fan = Annotated[
    Literal["fan_in", "fan_out"],
    knob("Fan", "Preserve the variance forward (fan_in) or backward (fan_out, for convolutions in ResNets)."),
]

declare_family(
    "initialization",
    label="Initialization",
    help="How the weights are drawn before the first step.",
    group="techniques",
    default="kaiming_normal",
)


# The variance that a scheme promises, which its worked example compares with real draws.


def kaiming(fan_in: int, fan_out: int, knobs: Mapping[str, Any]) -> float:
    """2 / fan."""
    return 2 / (fan_in if knobs["mode"] == "fan_in" else fan_out)


def glorot(fan_in: int, fan_out: int, knobs: Mapping[str, Any]) -> float:
    """2 / (fan_in + fan_out)."""
    return 2 / (fan_in + fan_out)


def lecun(fan_in: int, fan_out: int, knobs: Mapping[str, Any]) -> float:
    """1 / fan_in."""
    return 1 / fan_in


def third(fan_in: int, fan_out: int, knobs: Mapping[str, Any]) -> float:
    """1 / (3 fan_in): of a uniform distribution in ±1/√fan_in."""
    return 1 / (3 * fan_in)


def unit(fan_in: int, fan_out: int, knobs: Mapping[str, Any]) -> float:
    """gain² / the longer side: rows or columns of length `gain`."""
    return float(knobs["gain"]) ** 2 / max(fan_in, fan_out)


def given(fan_in: int, fan_out: int, knobs: Mapping[str, Any]) -> float:
    """std², and 0 where all weights are alike."""
    return float(knobs.get("std", 0)) ** 2


@technique(
    "initialization",
    label="Kaiming (He) normal",
    source="He et al. 2015, arXiv:1502.01852",
    formula=r"w \sim \mathcal{N}\big(0,\ \tfrac{2}{\mathrm{fan}}\big)",
    when="The ReLU family. fan_out for the convolutions of ResNets.",
    variance=kaiming,
)
def kaiming_normal(
    weight: torch.Tensor, bias: torch.Tensor | None, generator: torch.Generator, *, mode: Fan = "fan_in"
) -> None:
    """Normal with variance 2 / fan: keeps the signal's size through ReLU layers."""
    torch.nn.init.kaiming_normal_(weight, mode=mode, nonlinearity="relu", generator=generator)


@technique(
    "initialization",
    label="Kaiming (He) uniform",
    source="He et al. 2015, arXiv:1502.01852",
    formula=r"w \sim \mathcal{U}(-b, b), \quad b = \sqrt{6 / \mathrm{fan}}, \quad \mathrm{Var}(w) = \tfrac{2}{\mathrm{fan}}",
    when="The ReLU family, where no weight shall be far out.",
    variance=kaiming,
)
def kaiming_uniform(
    weight: torch.Tensor, bias: torch.Tensor | None, generator: torch.Generator, *, mode: Fan = "fan_in"
) -> None:
    """Uniform with variance 2 / fan: keeps the signal's size through ReLU layers."""
    torch.nn.init.kaiming_uniform_(weight, mode=mode, nonlinearity="relu", generator=generator)


@technique(
    "initialization",
    label="Xavier (Glorot) normal",
    source="Glorot & Bengio 2010, PMLR 9",
    link="https://proceedings.mlr.press/v9/glorot10a.html",
    formula=r"w \sim \mathcal{N}\big(0,\ \tfrac{2}{\mathrm{fan_{in}} + \mathrm{fan_{out}}}\big)",
    when="Tanh, sigmoid and output layers.",
    variance=glorot,
)
def xavier_normal(weight: torch.Tensor, bias: torch.Tensor | None, generator: torch.Generator) -> None:
    """Normal with variance 2 / (fan_in + fan_out): for tanh, sigmoid and output layers."""
    torch.nn.init.xavier_normal_(weight, generator=generator)


@technique(
    "initialization",
    label="Xavier (Glorot) uniform",
    source="Glorot & Bengio 2010, PMLR 9",
    link="https://proceedings.mlr.press/v9/glorot10a.html",
    formula=r"w \sim \mathcal{U}(-b, b), \quad b = \sqrt{\tfrac{6}{\mathrm{fan_{in}} + \mathrm{fan_{out}}}}",
    when="Tanh, sigmoid and output layers.",
    variance=glorot,
)
def xavier_uniform(weight: torch.Tensor, bias: torch.Tensor | None, generator: torch.Generator) -> None:
    """Uniform with variance 2 / (fan_in + fan_out): for tanh, sigmoid and output layers."""
    torch.nn.init.xavier_uniform_(weight, generator=generator)


@technique(
    "initialization",
    label="LeCun normal",
    source="LeCun et al. 1998, Efficient BackProp",
    link="https://doi.org/10.1007/3-540-49430-8_2",
    formula=r"w \sim \mathcal{N}\big(0,\ \tfrac{1}{\mathrm{fan_{in}}}\big)",
    when="SELU, which keeps mean 0 and variance 1 only with it.",
    variance=lecun,
)
def lecun_normal(weight: torch.Tensor, bias: torch.Tensor | None, generator: torch.Generator) -> None:
    """Normal with variance 1 / fan_in: for SELU."""
    fan_in = weight[0].numel()
    torch.nn.init.normal_(weight, std=math.sqrt(1 / fan_in), generator=generator)


@technique(
    "initialization",
    label="Orthogonal",
    source="Saxe, McClelland & Ganguli 2013, arXiv:1312.6120",
    formula=r"W = g\,Q, \quad Q^\top Q = I \ \text{ or } \ Q Q^\top = I",
    when="Recurrent weights: repeated multiplication neither shrinks nor grows the signal.",
    variance=unit,
)
def orthogonal(
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    generator: torch.Generator,
    *,
    gain: Annotated[
        float, knob("Gain", "Factor on the orthogonal matrix; √2 suits ReLU.", gt=0, le=10, step=0.1)
    ] = 1.0,
) -> None:
    """Rows or columns at right angles: no direction grows or shrinks; for recurrent weights and deep networks."""
    torch.nn.init.orthogonal_(weight, gain=gain, generator=generator)


@technique(
    "initialization",
    label="PyTorch default",
    wants_hidden=True,
    built_in=True,
    formula=(
        r"w, b \sim \mathcal{U}\big(-\tfrac{1}{\sqrt{\mathrm{fan_{in}}}}, "
        r"\tfrac{1}{\sqrt{\mathrm{fan_{in}}}}\big), \quad \mathrm{Var}(w) = \tfrac{1}{3\,\mathrm{fan_{in}}}"
    ),
    when="The baseline: what a script gets that leaves initialization alone.",
    variance=third,
)
def pytorch_default(
    weight: torch.Tensor, bias: torch.Tensor | None, generator: torch.Generator, hidden: int | None = None
) -> None:
    """What torch.nn layers do by themselves: uniform in ±1/√fan_in, biases too. The baseline.

    Recurrent layers take ±1/√hidden for all their weights, so they pass `hidden`.
    """
    bound = 1 / math.sqrt(hidden or weight[0].numel())
    torch.nn.init.uniform_(weight, -bound, bound, generator=generator)
    if bias is not None:
        torch.nn.init.uniform_(bias, -bound, bound, generator=generator)


@technique(
    "initialization",
    label="Constant (lesson: symmetry)",
    lesson=True,
    formula="w = c",
    when="Only to see it fail: every unit of a layer gets the same gradient, so they stay copies of each other.",
    variance=given,
)
def constant(
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    generator: torch.Generator,
    *,
    value: Annotated[float, knob("Value", "Every weight starts here.", ge=-10, le=10, step=0.05)] = 0.1,
) -> None:
    """Every weight alike: all units of a layer keep learning the same thing. A failure worth seeing."""
    torch.nn.init.constant_(weight, value)


@technique(
    "initialization",
    label="Zeros (lesson: no gradient)",
    lesson=True,
    formula="w = 0",
    when="Only to see it fail: the signal is 0 behind the first layer, and so is every hidden gradient.",
    variance=given,
)
def zeros(weight: torch.Tensor, bias: torch.Tensor | None, generator: torch.Generator) -> None:
    """Every weight zero: hidden layers receive no gradient at all. A failure worth seeing."""
    torch.nn.init.zeros_(weight)


@technique(
    "initialization",
    label="Too small (lesson: vanishing)",
    lesson=True,
    formula=r"w \sim \mathcal{N}(0, \sigma^2), \quad \sigma = 0.001",
    when="Only to see it fail: look at the activations by depth before step 1.",
    variance=given,
)
def too_small(
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    generator: torch.Generator,
    *,
    std: Annotated[float, knob("Standard deviation", "Of every weight.", gt=0, le=1, log=True)] = 0.001,
) -> None:
    """Normal with a tiny spread: the signal dies out with depth. A failure worth seeing."""
    torch.nn.init.normal_(weight, std=std, generator=generator)


@technique(
    "initialization",
    label="Too large (lesson: exploding)",
    lesson=True,
    formula=r"w \sim \mathcal{N}(0, \sigma^2), \quad \sigma = 1",
    when="Only to see it fail: the loss starts far off, and the gradient norm explodes.",
    variance=given,
)
def too_large(
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    generator: torch.Generator,
    *,
    std: Annotated[float, knob("Standard deviation", "Of every weight.", gt=0, le=100, log=True)] = 1.0,
) -> None:
    """Normal with a large spread: activations and gradients explode with depth. A failure worth seeing."""
    torch.nn.init.normal_(weight, std=std, generator=generator)
