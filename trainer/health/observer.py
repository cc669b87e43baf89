"""What watches a run for its Health page: layers through the probe, results through pictures."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from trainer.engine.build import BuiltRun
from trainer.engine.loop import predict
from trainer.health.pictures import Pictures, ViewRecorder
from trainer.health.probe import HealthRecorder, Probe

if TYPE_CHECKING:
    import torch


class ObserverRecorder(HealthRecorder, ViewRecorder, Protocol):
    """The part of a recorder that the observer needs."""


class HealthObserver:
    """An engine `Observer`: it changes no number of the training."""

    def __init__(self, run: BuiltRun, after: int, *, recorder: ObserverRecorder) -> None:
        """`after`: the last step that is done already."""
        self.pictures = Pictures(run, recorder, partial(predict, run))
        probe = Probe(run, recorder, after)
        # The probe's own methods, without a call in between: three of them run at every step.
        self.before_forward = probe.before_forward
        self.after_backward = probe.after_backward
        self.after_step = probe.after_step
        self.at_failure = probe.at_failure

    def after_epoch(self, step: int, epoch: int, outputs: torch.Tensor) -> None:
        """Takes pictures, if it is time."""
        self.pictures.after_epoch(step, epoch, outputs)

    def at_end(self, step: int, epoch: int, outputs: torch.Tensor | None) -> None:
        """Takes the last pictures."""
        self.pictures.take(step, epoch, outputs, final=True)
