"""What is minimized, and what people read: losses and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")


def classification_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy, computed in float32 also under autocast."""
    return torch.nn.functional.cross_entropy(logits.float(), targets)


def regression_loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean squared error on standardized targets, computed in float32 also under autocast."""
    return torch.nn.functional.mse_loss(outputs.float(), targets)


def accuracy(logits: torch.Tensor, targets: torch.Tensor) -> float:
    """Share of [n, classes] logits whose largest is the target, [n] classes.

    Against mixed labels [n, classes] it is the share of the label that the predicted class holds.
    """
    if are_mixed(targets):
        return float(targets.gather(1, logits.argmax(1, keepdim=True)).double().mean())
    return int((logits.argmax(1) == targets).sum()) / len(targets)


def are_mixed(targets: torch.Tensor) -> bool:
    """Whether targets are labels of mixed samples: a share for each class."""
    return targets.is_floating_point()


def absolute_error(outputs: torch.Tensor, targets: torch.Tensor, scale: float) -> float:
    """Mean absolute error of [n, 1] standardized predictions, in the unit of which `scale` is one deviation."""
    return float((outputs.double() - targets.double()).abs().mean()) * scale
