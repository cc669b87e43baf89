"""The pieces that every network is assembled from: normalization, activation and dropout as the knobs chose them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.lazy import lazy
from trainer.registry import declare_family

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

declare_family("model", label="Model", help="The network that is trained.", group="model", default="mlp")


@dataclass(frozen=True)
class Parts:
    """Makes fresh modules: `normalize(features, dimensions, activation)`, `activate()`, `drop(place)`."""

    normalize: Callable[[int, int, torch.nn.Module], dict[str, torch.nn.Module]]
    activate: Callable[[], torch.nn.Module]
    drop: Callable[[str], torch.nn.Module | None]

    def block(
        self, layer_name: str, layer: torch.nn.Module, features: int, dimensions: int
    ) -> dict[str, torch.nn.Module]:
        """A layer followed by normalization and activation in their chosen order."""
        return {layer_name: layer, **self.normalize(features, dimensions, self.activate())}

    def dropout(self, place: str) -> dict[str, torch.nn.Module]:
        """The dropout module for a place, or nothing where its rate is 0."""
        module = self.drop(place)
        return {} if module is None else {"dropout": module}


def sequential(modules: dict[str, torch.nn.Module]) -> torch.nn.Sequential:
    """A Sequential whose children keep the given names."""
    return torch.nn.Sequential(OrderedDict(modules))
