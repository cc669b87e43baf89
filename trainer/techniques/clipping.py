"""Gradient clipping.

Each function receives the model's gradients and their global L2 norm and limits the gradients in place. It returns a
zero-dimensional tensor, true when it clipped this step, or None when it never clips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from trainer.lazy import lazy
from trainer.registry import declare_family, knob, technique

if TYPE_CHECKING:
    import torch

    Gradients = list[torch.Tensor]
else:
    torch = lazy("torch")

declare_family(
    "clipping",
    label="Gradient clipping",
    help="Limits gradients before the optimizer uses them, so that one bad batch cannot wreck the weights.",
    group="optimization",
    default="none",
    hot=True,
)


@technique(
    "clipping",
    label="None",
    formula=r"\tilde{g} = g",
    when="The baseline. Feed-forward networks at a reasonable learning rate rarely need clipping.",
)
def none(gradients: Gradients, norm: torch.Tensor) -> torch.Tensor | None:
    """Uses every gradient unchanged."""
    return None


@technique(
    "clipping",
    label="By norm",
    source="Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063",
    formula=r"\tilde{g} = g \cdot \min\!\big(1, \tfrac{c}{\lVert g \rVert_2}\big)",
    when="Recurrent networks and Transformers: one bad batch cannot wreck the weights, and the direction is kept.",
    short=lambda parameters, max_norm: torch.nn.utils.clip_grad_norm_(parameters, max_norm),
)
def by_norm(
    gradients: Gradients,
    norm: torch.Tensor,
    *,
    max_norm: Annotated[
        float,
        knob(
            "Maximum norm", "A gradient with a larger norm is scaled down to this.", gt=0, le=1000, step=0.1
        ),
    ] = 1.0,
) -> torch.Tensor | None:
    """Scales the whole gradient down to the maximum norm, keeping its direction (torch.nn.utils.clip_grad_norm_)."""
    factor = torch.clamp(max_norm / (norm + 1e-6), max=1.0)
    if not (factor.is_cpu and factor == 1):  # times one changes nothing; on a GPU, asking would wait for it
        for gradient in gradients:
            gradient.mul_(factor)
    return norm > max_norm


@technique(
    "clipping",
    label="By value",
    formula=r"\tilde{g}_i = \min(\max(g_i, -c),\, c)",
    when="Rarely. It changes the direction of the step; clip by norm unless single elements are the problem.",
    short=lambda parameters, limit: torch.nn.utils.clip_grad_value_(parameters, limit),
)
def by_value(
    gradients: Gradients,
    norm: torch.Tensor,
    *,
    limit: Annotated[
        float, knob("Maximum value", "Each element is clipped to ± this.", gt=0, le=1000, step=0.1)
    ] = 0.5,
) -> torch.Tensor | None:
    """Clips each element on its own, which changes the gradient's direction (torch.nn.utils.clip_grad_value_)."""
    largest = torch.stack([gradient.abs().amax() for gradient in gradients]).amax()
    for gradient in gradients:
        gradient.clamp_(-limit, limit)
    return largest > limit
