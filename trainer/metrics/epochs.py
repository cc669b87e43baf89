"""What is measured after every epoch."""

from __future__ import annotations

import math

from trainer.metrics.charts import LOSS, SCORE
from trainer.metrics.context import Epoch
from trainer.metrics.registry import metric


@metric("epoch", label="Step", always=True, axis=True)
def step(epoch: Epoch) -> float:
    """The epoch's last step."""
    return epoch.step


@metric("epoch", label="Epoch", always=True, axis=True, share=0.25)
def epoch(epoch: Epoch) -> float:
    """Finished epochs."""
    return epoch.number


@metric("epoch", label="Time", always=True, unit="s", axis=True, clock=True, share=0.25)
def seconds(epoch: Epoch) -> float:
    """Seconds of training so far, without pauses."""
    return epoch.seconds


@metric("epoch", label="Training loss", always=True, share=1)
def train_loss(epoch: Epoch) -> float:
    """Mean loss over the epoch's batches, as it was while training."""
    return epoch.train_loss


@metric("epoch", label="Training score", always=True, chart=SCORE, part="train")
def train_metric(epoch: Epoch) -> float:
    """Accuracy, or mean absolute error, over the epoch's batches, as it was while training."""
    return epoch.train_metric


@metric("epoch", label="Validation loss", always=True, chart=LOSS, part="validation")
def val_loss(epoch: Epoch) -> float:
    """Loss of the validation part."""
    return epoch.val_loss


@metric("epoch", label="Validation score", always=True, chart=SCORE, part="validation")
def val_metric(epoch: Epoch) -> float:
    """Accuracy, or mean absolute error, of the validation part."""
    return epoch.val_metric


@metric("epoch", label="Learning rate", always=True)
def lr(epoch: Epoch) -> float:
    """The learning rate of the epoch's last step."""
    return epoch.lr


@metric("epoch", label="Patience left", unit="epochs")
def patience_left(epoch: Epoch) -> float:
    """How many more epochs without improvement early stopping would bear."""
    return epoch.patience_left if math.isfinite(epoch.patience_left) else math.nan
