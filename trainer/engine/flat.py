"""Turns the small parameters of a model into views of one vector, and their gradients into views of another.

Clearing, norm, clipping and optimizer then take one call for all of them instead of one per tensor. For small networks, where
the overhead of calls dominates, this nearly doubles the steps per second. A large parameter keeps its own tensor, because
adding its gradient to a cleared one would cost more than the calls that sharing saves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

MIN_SEPARATE_ELEMENTS = 50_000  # a parameter of this size keeps its own tensor


@dataclass(frozen=True)
class Weights:
    """What the optimizer updates: the shared vector, then each large parameter."""

    parameters: list[torch.nn.Parameter]

    def clear(self) -> None:
        """Clears the gradients. The shared one is set to zero, because backward adds to it; large ones are allocated again."""
        shared, *large = self.parameters
        assert shared.grad is not None
        shared.grad.zero_()
        for parameter in large:
            parameter.grad = None

    def gradients(self) -> list[torch.Tensor]:
        """Returns the gradients of the last backward pass, in the order of `parameters`."""
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    def norm(self) -> torch.Tensor:
        """The global L2 norm of all gradients, zero-dimensional."""
        return global_norm(self.gradients())

    def copies(self) -> list[torch.Tensor]:
        """Returns copies of all values."""
        return [parameter.detach().clone() for parameter in self.parameters]

    def copy_to(self, copies: list[torch.Tensor]) -> None:
        """Copies all values into earlier copies: for a large network that is twice as fast as allocating new ones."""
        for copy, parameter in zip(copies, self.parameters, strict=True):
            copy.copy_(parameter.detach())

    @property
    def count(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters)


def global_norm(tensors: list[torch.Tensor]) -> torch.Tensor:
    """The L2 norm of all elements of all tensors, zero-dimensional."""
    norm: torch.Tensor
    if len(tensors) == 1:  # a small network is one vector: one call will do
        norm = torch.linalg.vector_norm(tensors[0])
    else:
        norm = torch.nn.utils.get_total_norm(tensors)
    return norm


def flatten(model: torch.nn.Module) -> Weights:
    """Moves the model's small parameters into one vector, with convolution weights in channels-last order.

    The model keeps working: its small parameters become views, and backward adds to views of the vector's gradient.
    Elementwise optimizers, which all of ours are, update the vector exactly as they would the separate tensors.
    """
    parameters = list(model.parameters())
    small = [parameter for parameter in parameters if parameter.numel() < MIN_SEPARATE_ELEMENTS] or parameters
    vector = torch.nn.Parameter(torch.cat([_in_memory_order(parameter.detach()) for parameter in small]))
    vector.grad = torch.zeros_like(vector)
    start = 0
    for parameter in small:
        end = start + parameter.numel()
        parameter.data = _shaped(vector.data[start:end], parameter.shape)
        parameter.grad = _shaped(vector.grad[start:end], parameter.shape)
        start = end
    large = [parameter for parameter in parameters if all(parameter is not other for other in small)]
    for parameter in large:
        parameter.data = _shaped(_in_memory_order(parameter.detach()).clone(), parameter.shape)
    return Weights([vector, *large])


def _in_memory_order(weight: torch.Tensor) -> torch.Tensor:
    """Returns a weight as a vector. Convolution weights are channels last, which is faster on CPUs and GPUs alike."""
    return (weight.permute(0, 2, 3, 1) if is_filter(weight.shape) else weight).reshape(-1)


def _shaped(part: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Returns the inverse of `_in_memory_order`, as a view."""
    if is_filter(shape):
        out, channels, height, width = shape
        return part.view(out, height, width, channels).permute(0, 3, 1, 2)
    return part.view(shape)


def is_filter(shape: torch.Size) -> bool:
    """Whether a parameter of this shape is a convolution's."""
    return len(shape) == 4
