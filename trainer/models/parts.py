"""The pieces that every network is assembled from: normalization, activation and dropout as the knobs chose them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.lazy import lazy
from trainer.registry import declare_family

if TYPE_CHECKING:
    import torch

    from trainer import layers
else:
    torch = lazy("torch")
    layers = lazy("trainer.layers")

declare_family("model", label="Model", help="The network that is trained.", group="model", default="mlp")


@dataclass(frozen=True)
class Parts:
    """Makes fresh modules: `normalize(features, dimensions, activation)`, `activate()`, `drop(place)`."""

    normalize: Callable[[int, int, torch.nn.Module], dict[str, torch.nn.Module]]
    activate: Callable[[], torch.nn.Module]
    drop: Callable[[str], torch.nn.Module | None]
    vocabulary: int = 0

    def block(
        self, layer_name: str, layer: torch.nn.Module, features: int, dimensions: int
    ) -> dict[str, torch.nn.Module]:
        """A layer followed by normalization and activation in their chosen order."""
        return {layer_name: layer, **self.normalize(features, dimensions, self.activate())}

    def dropout(self, place: str) -> dict[str, torch.nn.Module]:
        """The dropout module for a place, or nothing where its rate is 0."""
        module = self.drop(place)
        return {} if module is None else {"dropout": module}

    def sequence(self, inputs: tuple[int, ...], size: int) -> tuple[dict[str, torch.nn.Module], int]:
        """The first modules of a network that reads sequences, and the features of each step after them.

        Words are embedded as vectors of the given size, images are read row by row, sequences come as they are.
        """
        modules: dict[str, torch.nn.Module] = {}
        features = inputs[-1]
        if self.vocabulary:
            modules["embedding"], features = torch.nn.Embedding(self.vocabulary, size), size
        elif len(inputs) == 3:
            modules["rows"], features = layers.ImageRows(), inputs[0] * inputs[2]
        return modules | {f"input_{name}": module for name, module in self.dropout("input").items()}, features


def narrow_knobs(
    usual: Mapping[str, int], knobs: Mapping[str, Any], least: int
) -> tuple[str, dict[str, int]]:
    """The knobs of `usual` that are at most `least`, in words, and their usual values."""
    wider = {name: size for name, size in usual.items() if knobs[name] <= least}
    return " and ".join(f"{name.replace('_', ' ')} {knobs[name]}" for name in wider), wider


def sequential(modules: dict[str, torch.nn.Module]) -> torch.nn.Sequential:
    """A Sequential whose children keep the given names."""
    return torch.nn.Sequential(OrderedDict(modules))
