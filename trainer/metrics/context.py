"""What the loop knows of a step and of an epoch: all that a metric may be computed from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    Number = float | torch.Tensor


@dataclass(slots=True)
class Step:
    """One optimizer step, just after it. One object serves all steps of a run, so that measuring costs next to nothing.

    A `Number` may be a zero-dimensional tensor on a GPU: a metric may compute with it but not read it, which would wait.
    """

    seconds: float = 0.0
    """Seconds of training since the run began, without pauses."""
    elapsed: float = math.nan
    """Seconds since the step before, or since this attempt began; validation and checkpoints in between count."""
    number: int = 0
    """Counted from 1."""
    samples: int = 0
    """Size of the batch."""
    lr: float = math.nan
    loss: Number = math.nan
    grad_norm: Number = math.nan
    """Global L2 norm of the gradient before clipping."""
    clipped: Number = math.nan
    """1 where the gradient was clipped, 0 where not, NaN without clipping."""
    loss_scale: float = math.nan
    """NaN without loss scaling."""
    weight_norm: Number = math.nan
    """Global L2 norm of the weights before the step; only for metrics declared with `watches_update`, as the next one."""
    update_norm: Number = math.nan
    """Global L2 norm of what the step changed; 0 where it was skipped."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch, just after its validation. The training values are means over its batches."""

    number: int
    """Counted from 1."""
    step: int
    """Its last step."""
    seconds: float
    train_loss: float
    train_metric: float
    """Accuracy, or mean absolute error in the target's unit."""
    val_loss: float
    val_metric: float
    lr: float
    patience_left: float
    """How many more epochs without improvement early stopping would bear; infinite without it."""
