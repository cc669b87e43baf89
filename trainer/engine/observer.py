"""What may watch a run from inside the loop. It sees everything and changes no number of the training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from trainer.engine.build import BuiltRun

if TYPE_CHECKING:
    import torch


class Observer(Protocol):
    """Called at fixed places of the loop. Steps count from 1; `outputs` are those for the validation part."""

    def before_forward(self, step: int) -> None:
        """The batch is ready."""

    def after_backward(self, step: int) -> None:
        """The gradients are there, unscaled and not yet clipped."""

    def after_step(self, step: int) -> None:
        """The optimizer has changed the weights."""

    def at_failure(self, step: int) -> None:
        """Loss or gradient is not finite; the weights stay as they were before this step."""

    def after_epoch(self, step: int, epoch: int, outputs: torch.Tensor) -> None:
        """An epoch was trained and validated."""

    def at_end(self, step: int, epoch: int, outputs: torch.Tensor | None) -> None:
        """The weights will not change any more. Without `outputs` nobody has computed them."""


class MakeObserver(Protocol):
    """Makes the observer of a run; `after` is the last step that is done already."""

    def __call__(self, run: BuiltRun, after: int) -> Observer: ...


class NoObserver:
    """Watches nothing."""

    def __init__(self, run: BuiltRun, after: int) -> None:
        pass

    def before_forward(self, step: int) -> None:
        """Does nothing, as do all the others."""

    after_backward = after_step = at_failure = before_forward

    def after_epoch(self, step: int, epoch: int, outputs: torch.Tensor | None) -> None:
        """Does nothing."""

    at_end = after_epoch
