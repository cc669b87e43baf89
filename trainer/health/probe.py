"""Looks into a training step: gradients, weights and updates by layer, activations through hooks on the forward itself.

A look must cost next to nothing, so it is few calls: a layer's small parameters are one stretch of the shared vector (see
flat.py), one call takes the norms of all, and nothing is read back or put in order here (rows.py does that elsewhere).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from trainer.engine.build import Experiment
from trainer.engine.datasplit import batch_sizes
from trainer.engine.flat import Weights
from trainer.engine.network import has_matrix
from trainer.health.rows import Layout
from trainer.health.sampling import looks
from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch

    from trainer import layers as nn_layers
else:
    torch = lazy("torch")
    nn_layers = lazy("trainer.layers")

NEAR_ZERO = 1e-6
SAMPLES = 256  # of a batch: enough to tell a dead unit from a rare one
FEWEST, ELEMENTS = 16, 2**17  # of large images fewer will do, because each has many positions


class HealthRecorder(Protocol):
    """The part of a recorder that looks are handed to."""

    def health(self, step: int, layout: Layout, look: torch.Tensor) -> None:
        """One look: a float32 vector as `layout` describes it, which is not changed any more."""


class Probe:
    """Called at three places of every step; does something at those steps that are looks."""

    def __init__(self, run: Experiment, recorder: HealthRecorder, after: int) -> None:
        """`after`: the last step that is done already."""
        self.run, self.recorder = run, recorder
        total = len(batch_sizes(len(run.data.train), run.config.batch_size)) * run.config.epochs
        self.steps: Iterator[int] = looks(total, after) if run.config.health else iter(())
        self.due = next(self.steps, 0)
        self.parameters = Parameters(run.model, run.weights)
        self.activations = Activations(run.model)
        owners = tuple(piece.layer for piece in self.parameters.pieces)
        self.layout = Layout(self.parameters.layers, owners, tuple(self.activations.modules))
        self.norms: list[torch.Tensor] = []

    def before_forward(self, step: int) -> None:
        """If this step is a look: hooks on, for this one forward pass."""
        if step == self.due:
            self.activations.listen()

    def after_backward(self, step: int) -> None:
        """If this step is a look: the gradients as they are before clipping, and the weights before the step."""
        if step == self.due:
            self.activations.rest()
            self.norms = self.parameters.norms()

    def after_step(self, step: int) -> None:
        """If this step is a look: what it changed. Then the look is handed over."""
        if step == self.due:
            self._hand_over(step, self.parameters.changes())

    def at_failure(self, step: int) -> None:
        """The step at which loss or gradient stopped being finite is always a look; its update was not taken.

        On a GPU the loop learns of it some steps later, when the evidence is gone.
        """
        if self.run.config.health and self.run.device.type == "cpu":
            self.norms = self.norms or self.parameters.norms()
            self._hand_over(step, [torch.tensor(math.nan)] * len(self.parameters.pieces))

    def _hand_over(self, step: int, changes: list[torch.Tensor]) -> None:
        means, deviations, shares = self.activations.take()
        self.layout.units = self.layout.units or [len(share) for share in shares]
        look = torch.cat([torch.stack([*self.norms, *changes, *means, *deviations]), *shares])
        self.recorder.health(step, self.layout, look)
        self.norms, self.due = [], next(self.steps, 0)


@dataclass(frozen=True)
class Piece:
    """A part of a layer's parameters: the elements `start` … `end` of one of the tensors the optimizer works on, of which
    0 is the shared vector."""

    layer: int
    tensor: int
    start: int
    end: int


class Parameters:
    """The layers with a weight matrix, each as pieces of what the optimizer works on.

    Pieces of the shared vector, of its gradient and of a copy of it are cut once; large parameters have a gradient of
    their own at every step, and are copied only for the time of a look.
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
        """L2 norms of the gradients' pieces, then of the weights', whose values are kept for `changes`."""
        self.copy.copy_(self.shared.detach())
        self.copies = [parameter.detach().clone() for parameter in self.outer]
        gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in self.outer]
        return list(torch._foreach_norm([*self.gradient_parts, *gradients, *self.copy_parts, *self.copies]))

    def changes(self) -> list[torch.Tensor]:
        """L2 norms of what the pieces have changed by since `norms`."""
        self.copy.sub_(self.shared.detach())
        for copy, parameter in zip(self.copies, self.outer, strict=True):
            copy.sub_(parameter.detach())
        changed = list(torch._foreach_norm([*self.copy_parts, *self.copies]))
        self.copies = []
        return changed

    def _cut(self, vector: torch.Tensor) -> list[torch.Tensor]:
        return [vector[piece.start : piece.end] for piece in self.inner]


def pieces(layer: int, module: torch.nn.Module, weights: Weights) -> Iterator[Piece]:
    """A module's own parameters: neighbours in the shared vector as one piece, each large one as another."""
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
    """Statistics of what nonlinearities, recurrent layers and Transformer blocks put out."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.modules = {name: module for name, module in model.named_modules() if is_watched(name, module)}
        self.hooks: list[Any] = []
        self.seen: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

    def listen(self) -> None:
        """Hooks on."""
        self.seen = {}
        self.hooks = [
            module.register_forward_hook(partial(self._hear, place))
            for place, module in enumerate(self.modules.values())
        ]

    def rest(self) -> None:
        """Hooks off."""
        for hook in self.hooks:
            hook.remove()
        self.hooks = []

    def take(self) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]]:
        """Means, standard deviations and each unit's share near zero, by module; nothing if they were not all seen."""
        seen, self.seen = self.seen, {}
        if len(seen) < len(self.modules):
            return [], [], []
        found = [seen[place] for place in range(len(seen))]
        return [one[0] for one in found], [one[1] for one in found], [one[2] for one in found]

    def _hear(self, place: int, module: torch.nn.Module, inputs: Any, output: Any) -> None:
        """In a hook: the activations are looked at while they are still in the processor's cache."""
        units = units_of(output[0] if isinstance(output, tuple) else output)
        self.seen[place] = units.mean(), units.std(correction=0), units.abs().lt_(NEAR_ZERO).mean(0)


def is_watched(name: str, module: torch.nn.Module) -> bool:
    """Whether a module's output says how signals pass through the network."""
    if isinstance(module, torch.nn.RNNBase | nn_layers.EncoderBlock):
        return True
    return name.rpartition(".")[2] == "activation" and not isinstance(module, torch.nn.Identity)


def units_of(output: torch.Tensor) -> torch.Tensor:
    """Activations as float32 [samples and positions, units]; the units of an image are its channels."""
    seen = output.detach()
    most = min(SAMPLES, max(FEWEST, ELEMENTS * len(seen) // seen.numel())) if seen.ndim > 2 else SAMPLES
    if len(seen) > most:
        seen = seen[:most]
    if seen.ndim == 4:
        seen = seen.movedim(1, -1)
    if seen.ndim > 2:
        seen = seen.flatten(0, -2)
    return seen.float()
