"""Activations: the non-linearity between layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from trainer.lazy import lazy
from trainer.registry import declare_family, knob, technique

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

declare_family(
    "activation",
    label="Activation",
    help="The non-linearity between layers; without one, any network is a linear function.",
    group="model",
    default="relu",
)


@technique(
    "activation",
    label="ReLU",
    source="Nair & Hinton 2010, ICML",
    link="https://icml.cc/Conferences/2010/papers/432.pdf",
    formula=r"f(x) = \max(0, x)",
    when="The first choice for MLPs and convolutional networks, with Kaiming initialization.",
)
def relu() -> torch.nn.Module:
    """max(0, x): cheap and effective; a unit that is never positive stops learning."""
    return torch.nn.ReLU()


@technique(
    "activation",
    label="Leaky ReLU",
    source="Maas, Hannun & Ng 2013",
    link="https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf",
    formula=r"f(x) = \max(0, x) + a \min(0, x)",
    when="When the Health page shows dead ReLUs.",
)
def leaky_relu(
    *,
    negative_slope: Annotated[
        float, knob("Negative slope", "Slope for negative inputs.", ge=0, le=1, step=0.01)
    ] = 0.01,
) -> torch.nn.Module:
    """ReLU with a small slope for negative inputs, so that no unit dies."""
    return torch.nn.LeakyReLU(negative_slope)


@technique(
    "activation",
    label="GELU",
    source="Hendrycks & Gimpel 2016, arXiv:1606.08415",
    formula=r"f(x) = x\,\Phi(x) = \tfrac{x}{2}\big(1 + \mathrm{erf}(x/\sqrt{2})\big)",
    when="Transformers; elsewhere it costs a little more than ReLU and rarely hurts.",
)
def gelu() -> torch.nn.Module:
    """x · Φ(x), a smooth ReLU; standard in Transformers."""
    return torch.nn.GELU()


@technique(
    "activation",
    label="SELU",
    source="Klambauer et al. 2017, arXiv:1706.02515",
    formula=(
        r"f(x) = \lambda \begin{cases} x & x > 0 \\ \alpha(e^x - 1) & x \le 0 \end{cases} \quad \lambda "
        r"\approx 1.0507,\ \alpha \approx 1.6733"
    ),
    when="Deep MLPs without normalization, with LeCun normal initialization; otherwise it does not normalize itself.",
)
def selu() -> torch.nn.Module:
    """Scaled exponential unit that keeps mean 0 and variance 1 through depth with LeCun initialization."""
    return torch.nn.SELU()


@technique(
    "activation",
    label="Tanh",
    formula=r"f(x) = \tanh x = \frac{e^x - e^{-x}}{e^x + e^{-x}}",
    when="Recurrent networks and shallow MLPs, with Xavier initialization.",
)
def tanh() -> torch.nn.Module:
    """Squashes to (−1, 1); its gradient vanishes for large inputs."""
    return torch.nn.Tanh()


@technique(
    "activation",
    label="Sigmoid",
    formula=r"f(x) = \frac{1}{1 + e^{-x}}",
    when="To see gradients vanish with depth, and for gates. Hidden layers have better options.",
)
def sigmoid() -> torch.nn.Module:
    """Squashes to (0, 1); its gradient is at most 1/4, so depth makes it vanish."""
    return torch.nn.Sigmoid()
