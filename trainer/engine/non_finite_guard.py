"""Stops a run whose loss or gradient is no longer finite, before the optimizer can spread it into the weights."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from trainer.engine.build import BuiltRun
from trainer.engine.state import State
from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch

    Number = float | torch.Tensor
else:
    torch = lazy("torch")

CHECK_EVERY = 50  # steps between two reads of a GPU's flag


class NonFiniteError(RuntimeError):
    """The loss or the gradient is NaN or infinite; the message names step, value, likely cause and remedy."""


class NonFiniteGuard:
    """Watches loss and gradient norm.

    On a CPU the values are there already: reading them waits for nothing, and a bad step is never taken. On a GPU reading
    would stall the pipeline, so the device itself keeps the weights from before the first bad step, and the flag is read
    every `CHECK_EVERY` steps. Under float16 a gradient may overflow now and then: the loss scaler skips that step.
    """

    def __init__(self, run: BuiltRun, *, waits: bool | None = None) -> None:
        self.run = run
        self.waits = run.device.type != "cpu" if waits is None else waits
        self.tolerates_gradient = run.precision.scaler.is_enabled()  # float16 with loss scaling
        self.scaler = run.precision.scaler
        self.scale = math.nan
        self.skipped: Number = 0
        self.history: deque[tuple[int, Number, Number]] = deque(maxlen=CHECK_EVERY + 20)
        if self.waits:
            self.good = torch.ones((), dtype=torch.bool, device=run.device)
            self.kept = run.weights.copies()

    def read(self, loss: torch.Tensor, norm: torch.Tensor) -> tuple[Number, Number]:
        """Loss and norm as numbers where that is free, else as detached tensors for later."""
        return (loss.detach(), norm) if self.waits else (loss.item(), norm.item())

    def check(self, state: State, lr: float, loss: Number, norm: Number) -> None:
        """Raises NonFiniteError if this step's values (on a GPU: one of the last steps') are not finite."""
        self.history.append((state.step, loss, norm))
        if isinstance(loss, torch.Tensor) and isinstance(norm, torch.Tensor):
            self.skipped += ~torch.isfinite(norm)
            self.good &= torch.isfinite(loss if self.tolerates_gradient else loss + norm)
            self.run.weights.copy_to(self.kept)
            if state.step % CHECK_EVERY == 0:
                self.check_pending(lr)
        else:
            self.skipped += not math.isfinite(norm)
            if self.is_bad(loss, norm):
                raise NonFiniteError(self.explain(lr))

    def check_pending(self, lr: float) -> None:
        """Waits for the device's flag of the steps so far and raises NonFiniteError if one was bad: every `CHECK_EVERY`
        steps, and wherever the loop waits for the device anyway or is about to save.
        """
        if self.waits and not bool(self.good):
            raise NonFiniteError(self.explain(lr))

    def is_bad(self, loss: Number, norm: Number) -> bool:
        """Whether a step with these values must not be taken; with loss scaling the gradient may overflow."""
        return not math.isfinite(loss) or not (self.tolerates_gradient or math.isfinite(norm))

    def after_step(self) -> None:
        """On a GPU, takes the step back if its loss was not finite; costs two small kernels and no waiting."""
        if self.waits:
            for kept, weight in zip(self.kept, self.run.weights.parameters, strict=True):
                weight.data.copy_(torch.where(self.good, weight.detach(), kept))

    def loss_scale(self, step: int) -> float:
        """The loss scale of this step, NaN without loss scaling; on a GPU as it was when last read."""
        if self.tolerates_gradient and (not self.waits or step % CHECK_EVERY == 1):
            self.scale = self.scaler.get_scale()
        return self.scale

    def skipped_steps(self) -> int:
        """How many steps the loss scaler has skipped since the last call: those whose gradient overflowed."""
        skipped, self.skipped = int(self.skipped), 0
        return skipped

    def explain(self, lr: float) -> str:
        """One or two sentences: what became what, when, why most likely, and what to try."""
        values = [(step, float(loss), float(norm)) for step, loss, norm in self.history]
        step, loss, norm = next((entry for entry in values if self.is_bad(*entry[1:])), values[-1])
        what = "loss" if not math.isfinite(loss) else "gradient norm"
        value = loss if what == "loss" else norm
        before = [entry[1] for entry in values if entry[0] < step]
        return (
            f"The {what} became {value} at step {step}; training stopped before that step changed the weights. "
            + self.cause(lr, before, step)
        )

    def cause(self, lr: float, before: list[float], step: int) -> str:
        """The likely cause, from what is known."""
        config = self.run.config
        if not torch.isfinite(self.run.data.train.inputs).all():
            return "The data contain values that are not finite: clean them first."
        if config.precision.name == "fp16" and (not before or max(before) < 1e3):
            return "float16 overflows above 65,504: use precision bf16 or fp32."
        if step <= 2 and config.technique("initialization").facts.get("lesson"):
            return "The initial weights are too large for this depth: choose kaiming_normal or xavier_normal."
        rose = f"The loss had risen from {min(before):.3g} to {before[-1]:.3g}: the " if before else "The "
        remedy = "" if config.clipping.name == "by_norm" else " or turn on gradient clipping by norm"
        return f"{rose}learning rate {lr:g} is too high here. Try {lr / 10:g}{remedy}."
