"""Samples the health of a training step: gradients, weights and updates by layer, activations through forward hooks.

A sample must cost next to nothing, so it takes few calls: a layer's small parameters are one stretch of the shared vector (see
flat.py), one call computes all norms, and nothing is read back or sorted here (layout.py does that on another thread).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from trainer.engine.build import BuiltRun
from trainer.engine.datasplit import batch_sizes
from trainer.engine.flat import Weights
from trainer.engine.network import has_matrix
from trainer.health.layout import Layout
from trainer.health.sampling import sample_steps
from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

NEAR_ZERO = 1e-6
MOST = 256  # rows of a batch: enough to tell a dead unit from a rare one
FEWEST, ELEMENTS = 16, 2**17  # fewer rows of large images, because each has many positions


class HealthRecorder(Protocol):
    """The part of a recorder that receives samples."""

    def health(self, step: int, layout: Layout, sample: torch.Tensor) -> None:
        """Receives one sample: a float32 vector as `layout` describes it, which does not change afterwards."""


class Probe:
    """Called at three points of every step; acts only at the steps that are sampled."""

    def __init__(self, run: BuiltRun, recorder: HealthRecorder, after: int) -> None:
        """`after`: the last step that is already done."""
        self.run, self.recorder = run, recorder
        total = len(batch_sizes(len(run.data.train), run.start.batch_size)) * run.config.epochs
        self.steps: Iterator[int] = sample_steps(total, after) if run.config.health else iter(())
        self.due = next(self.steps, 0)
        self.parameters = Parameters(run.model, run.weights)
        self.activations = Activations(run.model)
        owners = tuple(piece.layer for piece in self.parameters.pieces)
        self.layout = Layout(self.parameters.layers, owners, tuple(self.activations.modules))
        self.norms: list[torch.Tensor] = []

    def before_forward(self, step: int) -> None:
        """Attaches hooks for this one forward pass."""
        if step == self.due:
            self.activations.attach()

    def after_backward(self, step: int) -> None:
        """Measures the gradients before clipping and the weights before the step."""
        if step == self.due:
            self.activations.detach()
            self.norms = self.parameters.norms()

    def after_step(self, step: int) -> None:
        """Measures what the step changed, and reports the sample."""
        if step == self.due:
            self._report(step, self.parameters.changes())

    def at_failure(self, step: int) -> None:
        """Samples the step at which loss or gradient stopped being finite; its update was not applied.

        On a GPU the loop learns of it some steps later, when the evidence is gone.
        """
        if self.run.config.health and self.run.device.type == "cpu":
            self.norms = self.norms or self.parameters.norms()
            self._report(step, [torch.tensor(math.nan)] * len(self.parameters.pieces))

    def _report(self, step: int, changes: list[torch.Tensor]) -> None:
        means, deviations, shares = self.activations.take()
        self.layout.units = self.layout.units or [len(share) for share in shares]
        sample = torch.cat([torch.stack([*self.norms, *changes, *means, *deviations]), *shares])
        self.recorder.health(step, self.layout, sample)
        self.norms, self.due = [], next(self.steps, 0)


@dataclass(frozen=True)
class Piece:
    """Part of a layer's parameters: elements `start` to `end` of a tensor the optimizer works on, 0 being the shared vector."""

    layer: int
    tensor: int
    start: int
    end: int


class Parameters:
    """The layers with a weight matrix, each as pieces of what the optimizer works on.

    The shared vector, its gradient and a copy of it are cut into pieces once. Large parameters get a new gradient at every
    step, and are copied only while a sample is taken.
    """

    def __init__(self, model: torch.nn.Module, weights: Weights) -> None:
        self.shared, *self.large = weights.parameters
        modules = {name: module for name, module in model.named_modules() if has_matrix(module)}
        self.layers = tuple(modules)
        found = [
            piece for layer, module in enumerate(modules.values()) for piece in pieces(layer, module, weights)
        ]
        self.pieces = sorted(found, key=lambda piece: piece.tensor)
        self.inner = [piece for piece in self.pieces if piece.tensor == 0]
        self.outer = [self.large[piece.tensor - 1] for piece in self.pieces if piece.tensor]
        self.copy = torch.empty_like(self.shared.detach())
        assert self.shared.grad is not None
        self.gradient_parts = self._cut(self.shared.grad)
        self.copy_parts = self._cut(self.copy)
        self.copies: list[torch.Tensor] = []

    def norms(self) -> list[torch.Tensor]:
        """Returns the L2 norms of the gradients' pieces, then of the weights', and keeps these weights for `changes`."""
        self.copy.copy_(self.shared.detach())
        self.copies = [parameter.detach().clone() for parameter in self.outer]
        gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in self.outer]
        return list(torch._foreach_norm([*self.gradient_parts, *gradients, *self.copy_parts, *self.copies]))

    def changes(self) -> list[torch.Tensor]:
        """Returns the L2 norms of the pieces' changes since `norms`."""
        self.copy.sub_(self.shared.detach())
        for copy, parameter in zip(self.copies, self.outer, strict=True):
            copy.sub_(parameter.detach())
        changed = list(torch._foreach_norm([*self.copy_parts, *self.copies]))
        self.copies = []
        return changed

    def _cut(self, vector: torch.Tensor) -> list[torch.Tensor]:
        return [vector[piece.start : piece.end] for piece in self.inner]


def pieces(layer: int, module: torch.nn.Module, weights: Weights) -> Iterator[Piece]:
    """A module's own parameters: neighbors in the shared vector make one piece, each large parameter makes another."""
    shared, *large = weights.parameters
    places = {id(parameter): place for place, parameter in enumerate(large, start=1)}
    start = end = 0
    for parameter in module.parameters(recurse=False):
        if place := places.get(id(parameter)):
            yield Piece(layer, place, 0, parameter.numel())
            continue
        offset = int(parameter.storage_offset() - shared.storage_offset())
        if offset != end and start < end:
            yield Piece(layer, 0, start, end)
        start = start if offset == end and start < end else offset
        end = offset + parameter.numel()
    if start < end:
        yield Piece(layer, 0, start, end)


class Activations:
    """Statistics of the activations at a network's hook points."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.modules = {name: module for name, module in model.named_modules() if is_hook_point(name, module)}
        self.hooks: list[Any] = []
        self.found: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

    def attach(self) -> None:
        """Attaches a forward hook to each module."""
        self.found = {}
        self.hooks = [
            module.register_forward_hook(partial(self._measure, place))
            for place, module in enumerate(self.modules.values())
        ]

    def detach(self) -> None:
        """Removes the hooks."""
        for hook in self.hooks:
            hook.remove()
        self.hooks = []

    def take(self) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]]:
        """Returns means, standard deviations and each unit's share near zero, by module; empty lists if any is missing."""
        found, self.found = self.found, {}
        if len(found) < len(self.modules):
            return [], [], []
        ordered = [found[place] for place in range(len(found))]
        return [one[0] for one in ordered], [one[1] for one in ordered], [one[2] for one in ordered]

    def _measure(self, place: int, module: torch.nn.Module, inputs: Any, output: Any) -> None:
        """Runs as a hook, while the activations are still in the processor's cache."""
        units = units_of(output[0] if isinstance(output, tuple) else output)
        self.found[place] = units.mean(), units.std(correction=0), units.abs().lt_(NEAR_ZERO).mean(0)


def is_hook_point(name: str, module: torch.nn.Module) -> bool:
    """Whether a module's output counts as activations: a nonlinearity, or a layer that declares itself a hook point."""
    return is_activation(name, module) or getattr(module, "hook_point", False)


def is_activation(name: str, module: torch.nn.Module) -> bool:
    """Whether a module is a nonlinearity, which `Parts` names `activation`."""
    return name.rpartition(".")[2] == "activation" and not isinstance(module, torch.nn.Identity)


def units_of(output: torch.Tensor) -> torch.Tensor:
    """Returns activations as float32 [rows and positions, units]; the units of an image are its channels."""
    rows = output.detach()
    most = min(MOST, max(FEWEST, ELEMENTS * len(rows) // rows.numel())) if rows.ndim > 2 else MOST
    if len(rows) > most:
        rows = rows[:most]
    if rows.ndim == 4:
        rows = rows.movedim(1, -1)
    if rows.ndim > 2:
        rows = rows.flatten(0, -2)
    return rows.float()
