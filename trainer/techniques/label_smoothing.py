"""Label smoothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from trainer.lazy import lazy
from trainer.registry import declare_family, knob, technique

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

declare_family(
    "label_smoothing",
    label="Label smoothing",
    help="Asks for slightly less than certainty, so that logits do not grow without bound.",
    group="regularization",
    default="smoothing",
    hot=True,
)


@technique(
    "label_smoothing",
    label="Label smoothing",
    source="Szegedy et al. 2015, arXiv:1512.00567",
    formula=r"q_k = (1 - \varepsilon)\,[k = y] + \frac{\varepsilon}{K}, \qquad L = -\sum_k q_k \log p_k",
    when=(
        "Classification with many classes or noisy labels. The training loss is then no longer comparable: it cannot "
        "reach 0."
    ),
    example={"amount": 0.1},
    short=lambda logits, targets, amount: torch.nn.functional.cross_entropy(
        logits, targets, label_smoothing=amount
    ),
)
def smoothing(
    logits: torch.Tensor,
    targets: torch.Tensor,
    *,
    amount: Annotated[
        float,
        knob(
            "Label smoothing",
            "Share of the label spread over all classes; 0.1 is common.",
            ge=0,
            le=0.9,
            step=0.05,
        ),
    ] = 0.0,
) -> torch.Tensor:
    """Cross-entropy against (1 − ε) · label + ε / classes; plain cross-entropy with ε = 0.

    Logits [batch, classes]; targets [batch] classes or [batch, classes] probabilities. Only the training loss is smoothed.
    """
    return torch.nn.functional.cross_entropy(logits.float(), targets, label_smoothing=amount)
