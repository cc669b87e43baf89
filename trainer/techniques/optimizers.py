"""Optimizers: how a gradient becomes a step.

Each function receives the parameters and the learning rate, and uses torch's fused kernel where there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from trainer.lazy import lazy
from trainer.registry import declare_family, knob, technique

if TYPE_CHECKING:
    import torch

    Parameters = list[torch.nn.Parameter]
else:
    torch = lazy("torch")

Momentum = Annotated[
    float, knob("Momentum", "Share of the last step carried into the next.", gt=0, lt=1, step=0.01)
]
Decay = Annotated[
    float,
    knob(
        "Weight decay",
        "How strongly every weight is pulled toward zero.",
        ge=0,
        le=1,
        step=0.001,
        log=True,
        hot=True,
    ),
]
Beta1 = Annotated[float, knob("β₁", "Decay of the running mean of the gradient.", ge=0, lt=1, step=0.01)]
Beta2 = Annotated[
    float, knob("β₂", "Decay of the running mean of the squared gradient.", ge=0, lt=1, step=0.001)
]
Eps = Annotated[
    float, knob("Epsilon", "Added to the denominator to avoid division by zero.", gt=0, le=1, log=True)
]

declare_family(
    "optimizer",
    label="Optimizer",
    help="The rule that turns gradients into weight updates.",
    group="optimization",
    default="adam",
)


@technique(
    "optimizer",
    label="SGD",
    usual_lr=0.01,
    source="Robbins & Monro 1951",
    link="https://doi.org/10.1214/aoms/1177729586",
    formula=r"w \leftarrow w - \eta\, g",
    when="To understand the others, and with a schedule for convolutional networks. Its learning rate needs tuning.",
)
def sgd(parameters: Parameters, lr: float, *, weight_decay: Decay = 0.0) -> torch.optim.Optimizer:
    """Plain stochastic gradient descent: a step against the gradient."""
    return torch.optim.SGD(parameters, lr=lr, weight_decay=weight_decay, fused=True)


@technique(
    "optimizer",
    label="SGD + momentum",
    usual_lr=0.01,
    source="Polyak 1964",
    link="https://doi.org/10.1016/0041-5553(64)90137-5",
    formula=r"v \leftarrow \mu v + g, \qquad w \leftarrow w - \eta\, v",
    when="Convolutional networks; at momentum 0.9, a tenth of the rate that plain SGD tolerates.",
    short=lambda parameters, lr, momentum, weight_decay: torch.optim.SGD(
        parameters, lr=lr, momentum=momentum, weight_decay=weight_decay
    ),
)
def momentum(
    parameters: Parameters, lr: float, *, momentum: Momentum = 0.9, weight_decay: Decay = 0.0
) -> torch.optim.Optimizer:
    """Gradient descent that keeps rolling: steps add up along consistent directions."""
    return _with_zero_momentum(
        torch.optim.SGD(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=True)
    )


@technique(
    "optimizer",
    label="Nesterov",
    usual_lr=0.01,
    source="Sutskever et al. 2013, PMLR 28",
    link="https://proceedings.mlr.press/v28/sutskever13.html",
    formula=r"v \leftarrow \mu v + g, \qquad w \leftarrow w - \eta\,(g + \mu v)",
    when="As momentum; it slows down earlier at the far side of a valley.",
    short=lambda parameters, lr, momentum, weight_decay: torch.optim.SGD(
        parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=True
    ),
)
def nesterov(
    parameters: Parameters, lr: float, *, momentum: Momentum = 0.9, weight_decay: Decay = 0.0
) -> torch.optim.Optimizer:
    """Momentum that looks ahead: the gradient is applied as if the momentum step had already been taken."""
    return _with_zero_momentum(
        torch.optim.SGD(
            parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=True, fused=True
        )
    )


@technique(
    "optimizer",
    label="Adam",
    usual_lr=0.001,
    source="Kingma & Ba 2014, arXiv:1412.6980",
    formula=(
        r"m \leftarrow \beta_1 m + (1 - \beta_1) g,\quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2,\quad w "
        r"\leftarrow w - \eta\, \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}"
    ),
    when="The first choice when nothing is known; 0.001 is a good learning rate to start with.",
    misconception=(
        "“With weight decay it is AdamW.” It adds the decay to the gradient, so the gradient's history divides the decay as well."
    ),
)
def adam(
    parameters: Parameters,
    lr: float,
    *,
    beta1: Beta1 = 0.9,
    beta2: Beta2 = 0.999,
    eps: Eps = 1e-8,
    weight_decay: Decay = 0.0,
) -> torch.optim.Optimizer:
    """Scales each weight's step by its own gradient history; weight decay is added to the gradient."""
    return torch.optim.Adam(
        parameters, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, fused=True
    )


@technique(
    "optimizer",
    label="AdamW",
    usual_lr=0.001,
    source="Loshchilov & Hutter 2017, arXiv:1711.05101",
    formula=r"w \leftarrow w - \eta \lambda w - \eta\, \frac{\hat{m}}{\sqrt{\hat{v}} + \epsilon}",
    when="Adam with weight decay that works as intended; standard for Transformers.",
)
def adamw(
    parameters: Parameters,
    lr: float,
    *,
    beta1: Beta1 = 0.9,
    beta2: Beta2 = 0.999,
    eps: Eps = 1e-8,
    weight_decay: Decay = 0.01,
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay: the pull toward zero is not rescaled by the gradient's history."""
    return torch.optim.AdamW(
        parameters, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, fused=True
    )


@technique(
    "optimizer",
    label="RMSprop",
    usual_lr=0.001,
    source="Tieleman & Hinton 2012, lecture 6.5",
    link="https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf",
    formula=r"v \leftarrow \alpha v + (1 - \alpha) g^2, \qquad w \leftarrow w - \eta\, \frac{g}{\sqrt{v} + \epsilon}",
    when="Recurrent networks; Adam without momentum and bias correction.",
)
def rmsprop(
    parameters: Parameters,
    lr: float,
    *,
    alpha: Annotated[
        float, knob("α", "Decay of the running mean of the squared gradient.", ge=0, lt=1, step=0.01)
    ] = 0.99,
    momentum: Annotated[
        float, knob("Momentum", "Share of the last step carried into the next.", ge=0, lt=1, step=0.01)
    ] = 0.0,
    eps: Eps = 1e-8,
    weight_decay: Decay = 0.0,
) -> torch.optim.Optimizer:
    """Divides each step by a running root mean square of the weight's gradient."""
    return torch.optim.RMSprop(
        parameters, lr=lr, alpha=alpha, momentum=momentum, eps=eps, weight_decay=weight_decay, foreach=True
    )


def _with_zero_momentum(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Sets the momentum buffers to zero, so that the first step is the gradient itself, as torch defines it.

    Otherwise the fused kernel allocates them in its first step. If float16 overflows in that step, it is skipped, the buffers
    stay uninitialized, and the next step uses whatever was in that memory.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer
