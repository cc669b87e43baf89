"""Where a network is looked at: its layers in the order in which a batch meets them, and the sizes that pass there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from trainer.engine.network import has_matrix
from trainer.health.probe import NEAR_ZERO
from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

SHAPERS = tuple(f"torch.nn.modules.{name}" for name in ("activation", "batchnorm", "normalization"))
SUMS = ("Residual", "EncoderBlock")
"""Blocks of `trainer.layers` that add to their input: the signal travels along these sums."""


@dataclass(frozen=True)
class Sizes:
    """What left a layer with one batch: mean and standard deviation over all numbers, share of those that are zero."""

    layer: str
    seen_at: str
    mean: float
    std: float
    zero: float


def stations(model: torch.nn.Module) -> dict[str, str]:
    """{module to look at: layer it stands for}, dotted names as in `model.named_modules()`.

    A layer with a weight matrix is looked at after the norm and activation that follow it in its block, because that is
    what the next layer sees; residual and encoder blocks are looked at after their sum.
    """
    found: dict[str, str] = {}
    parents = dict(model.named_modules())
    for name, module in parents.items():
        if type(module).__name__ in SUMS:
            found[name] = name
        elif has_matrix(module):
            found[_last_of_block(name, parents)] = name
    return found


def _last_of_block(name: str, modules: dict[str, torch.nn.Module]) -> str:
    """The last norm or activation behind a layer in its Sequential, or the layer itself."""
    parent, _, own = name.rpartition(".")
    if not isinstance(modules[parent], torch.nn.Sequential):
        return name
    siblings = list(dict(modules[parent].named_children()))
    last = name
    for sibling in siblings[siblings.index(own) + 1 :]:
        path = f"{parent}.{sibling}" if parent else sibling
        if type(modules[path]).__module__ not in SHAPERS:
            break
        last = path
    return last


@contextmanager
def watched(model: torch.nn.Module) -> Iterator[tuple[list[Sizes], list[str]]]:
    """While open, a forward pass fills the sizes at each station, and the names of modules with parameters of their
    own, both in the order of the pass. Looking changes no number."""
    sizes: list[Sizes] = []
    passed: list[str] = []
    layers = stations(model)

    def look(name: str, module: torch.nn.Module, inputs: Any, output: Any) -> None:
        if name in layers:
            sizes.append(measure(layers[name], name, output[0] if isinstance(output, tuple) else output))
        if next(module.parameters(recurse=False), None) is not None:
            passed.append(name)

    hooks = [module.register_forward_hook(partial(look, name)) for name, module in model.named_modules()]
    try:
        yield sizes, passed
    finally:
        for hook in hooks:
            hook.remove()


def measure(layer: str, seen_at: str, output: torch.Tensor) -> Sizes:
    """The sizes of one output, whatever its shape; in double precision, so that only what overflowed there is infinite."""
    values = output.detach().double()
    std, mean = torch.std_mean(values, correction=0)
    zero = (values.abs() < NEAR_ZERO).double().mean()
    return Sizes(layer, seen_at, float(mean), float(std), float(zero))


class Kept:
    """While open, adds up the bytes that autograd keeps for the backward pass, each storage once."""

    def __init__(self, *ignored: torch.Tensor) -> None:
        """`ignored` are there anyway: the parameters and the batch."""
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
