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
    vector = torch.nn.Parameter(torch.cat([parameter.detach().reshape(-1) for parameter in parameters]))
    vector.grad = torch.zeros_like(vector)
    start = 0
    for parameter in parameters:
        end = start + parameter.numel()
        parameter.data = vector.data[start:end].view_as(parameter)
        parameter.grad = vector.grad[start:end].view_as(parameter)
        start = end
    return vector
