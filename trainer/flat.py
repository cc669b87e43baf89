"""All parameters of a model as views into one vector, and all gradients into another.

One clearing, one norm, one clipping and one optimizer call then serve the whole model instead of one for each tensor:
for small networks, where the overhead of calls dominates, that nearly doubles the steps a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")


def flatten(model: torch.nn.Module) -> torch.nn.Parameter:
    """Moves the model's parameters into one vector and returns it, with the gradient vector in its `grad`.

    The model keeps working: its parameters are views, and backward adds into views of the gradient vector.
    Elementwise optimizers (all of ours) treat the vector exactly as they would the separate tensors.
    """
    parameters = list(model.parameters())
    vector = torch.nn.Parameter(torch.cat([_in_memory_order(parameter.detach()) for parameter in parameters]))
    vector.grad = torch.zeros_like(vector)
    start = 0
    for parameter in parameters:
        end = start + parameter.numel()
        parameter.data = _shaped(vector.data[start:end], parameter.shape)
        parameter.grad = _shaped(vector.grad[start:end], parameter.shape)
        start = end
    return vector


def _in_memory_order(weight: torch.Tensor) -> torch.Tensor:
    """Convolution weights lie channels last, which convolutions run faster with, on CPUs and GPUs alike."""
    return (weight.permute(0, 2, 3, 1) if weight.ndim == 4 else weight).reshape(-1)


def _shaped(part: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """The inverse of `_in_memory_order`, as a view."""
    if len(shape) == 4:
        out, channels, height, width = shape
        return part.view(out, height, width, channels).permute(0, 3, 1, 2)
    return part.view(shape)
