"""The small parameters of a model as views into one vector, and their gradients into another.

One clearing, one norm, one clipping and one optimizer call then serve all of them instead of one for each tensor: for small
networks, where the overhead of calls dominates, that nearly doubles the steps a second. A large parameter keeps a tensor of
its own: there, adding backward's gradient to a cleared one costs more than the calls that sharing saves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

LARGE = 50_000  # elements


@dataclass(frozen=True)
class Weights:
    """What the optimizer works on: the shared vector, then each large parameter."""

    parameters: list[torch.nn.Parameter]

    def clear(self) -> None:
        """Forgets the gradients. The shared one is zeroed, because backward adds to it; large ones are made anew."""
        shared, *large = self.parameters
        assert shared.grad is not None
        shared.grad.zero_()
        for parameter in large:
            parameter.grad = None

    def gradients(self) -> list[torch.Tensor]:
        """The gradients of the last backward, in the order of `parameters`."""
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    def norm(self) -> torch.Tensor:
        """The global L2 norm of all gradients, zero-dimensional."""
        gradients = self.gradients()
        if len(gradients) == 1:
            norm: torch.Tensor = torch.linalg.vector_norm(gradients[0])
        else:
            norm = torch.nn.utils.get_total_norm(gradients)
        return norm

    def copies(self) -> list[torch.Tensor]:
        """Copies of all values."""
        return [parameter.detach().clone() for parameter in self.parameters]

    @property
    def count(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters)


def flatten(model: torch.nn.Module) -> Weights:
    """Moves the model's small parameters into one vector; convolution weights are laid channels last.

    The model keeps working: its small parameters are views, and backward adds into views of the vector's gradient.
    Elementwise optimizers (all of ours) treat the vector exactly as they would the separate tensors.
    """
    parameters = list(model.parameters())
    small = [parameter for parameter in parameters if parameter.numel() < LARGE] or parameters
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
    """Convolution weights lie channels last, which convolutions run faster with, on CPUs and GPUs alike."""
    return (weight.permute(0, 2, 3, 1) if is_filter(weight.shape) else weight).reshape(-1)


def _shaped(part: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """The inverse of `_in_memory_order`, as a view."""
    if is_filter(shape):
        out, channels, height, width = shape
        return part.view(out, height, width, channels).permute(0, 3, 1, 2)
    return part.view(shape)


def is_filter(shape: torch.Size) -> bool:
    """Whether a parameter of this shape is a convolution's."""
    return len(shape) == 4
