"""Forward hooks on a network's layers, in the order of the pass: which sizes the activations have, and what autograd keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from trainer.engine.network import has_matrix
from trainer.health.probe import NEAR_ZERO, is_activation
from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")


@dataclass(frozen=True)
class Sizes:
    """A layer's output for one batch: mean and standard deviation over all numbers, and the share of zeros."""

    layer: str
    seen_at: str
    mean: float
    std: float
    zero: float


def hook_points(model: torch.nn.Module) -> dict[str, str]:
    """Returns {module with the hook: layer it stands for}, dotted names as in `model.named_modules()`.

    The hook of a layer with a weight matrix is on the last norm or activation that follows it in its block, because that is
    what the next layer sees. A block that adds its input is measured after the sum, along which the signal travels.
    """
    found: dict[str, str] = {}
    modules = dict(model.named_modules())
    for name, module in modules.items():
        if getattr(module, "adds_input", False):
            found[name] = name
        elif has_matrix(module):
            found[_last_of_block(name, modules)] = name
    return found


def _last_of_block(name: str, modules: dict[str, torch.nn.Module]) -> str:
    """The last norm or activation that follows a layer in its Sequential, or the layer itself."""
    parent, _, own = name.rpartition(".")
    if not isinstance(modules[parent], torch.nn.Sequential):
        return name
    siblings = list(dict(modules[parent].named_children()))
    last = name
    for sibling in siblings[siblings.index(own) + 1 :]:
        path = f"{parent}.{sibling}" if parent else sibling
        if sibling != "norm" and not is_activation(sibling, modules[path]):
            break
        last = path
    return last


@contextmanager
def watched(model: torch.nn.Module) -> Iterator[tuple[list[Sizes], list[str]]]:
    """While open, a forward pass fills two lists in its order: the sizes at each hook point, and the names of modules with
    parameters of their own. The hooks change no number."""
    sizes: list[Sizes] = []
    passed: list[str] = []
    layers = hook_points(model)

    def record(name: str, module: torch.nn.Module, inputs: Any, output: Any) -> None:
        if name in layers:
            sizes.append(measure(layers[name], name, output[0] if isinstance(output, tuple) else output))
        if next(module.parameters(recurse=False), None) is not None:
            passed.append(name)

    hooks = [module.register_forward_hook(partial(record, name)) for name, module in model.named_modules()]
    try:
        yield sizes, passed
    finally:
        for hook in hooks:
            hook.remove()


def measure(layer: str, seen_at: str, output: torch.Tensor) -> Sizes:
    """The sizes of one output of any shape, in double precision: they are infinite only where the output itself is."""
    values = output.detach().double()
    std, mean = torch.std_mean(values, correction=0)
    zero = (values.abs() < NEAR_ZERO).double().mean()
    return Sizes(layer, seen_at, float(mean), float(std), float(zero))


class Kept:
    """While open, counts the bytes that autograd keeps for the backward pass, each storage once."""

    def __init__(self, *ignored: torch.Tensor) -> None:
        """`ignored` exist anyway: the parameters and the batch."""
        self._known = {tensor.untyped_storage().data_ptr() for tensor in ignored}
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._keep, lambda tensor: tensor)
        self.bytes = 0

    def __enter__(self) -> Kept:
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._hooks.__exit__(*error)

    def _keep(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._known:
            self._known.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        return tensor
