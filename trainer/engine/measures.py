"""Losses, which training minimizes, and metrics, which people read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")


def classification_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of [n, classes] logits against [n] classes, in float32 even under autocast."""
    return torch.nn.functional.cross_entropy(logits.float(), targets)


def regression_loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean squared error against standardized targets, in float32 even under autocast."""
    return torch.nn.functional.mse_loss(outputs.float(), targets)


def accuracy(logits: torch.Tensor, targets: torch.Tensor) -> float:
    """Share of samples whose largest logit, of [n, classes], is that of the target class, of [n].

    Against mixed labels [n, classes], it is the mean share of the label that the predicted class has.
    """
    if are_mixed(targets):
        return float(targets.gather(1, logits.argmax(1, keepdim=True)).double().mean())
    return int((logits.argmax(1) == targets).sum()) / len(targets)


def are_mixed(targets: torch.Tensor) -> bool:
    """Whether targets are labels of mixed samples: a share for each class."""
    return targets.is_floating_point()


def absolute_error(outputs: torch.Tensor, targets: torch.Tensor, scale: float) -> float:
    """Mean absolute error of [n, 1] standardized predictions, times `scale`, the targets' standard deviation in their unit."""
    return float((outputs.double() - targets.double()).abs().mean()) * scale
