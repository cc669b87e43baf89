"""What happens to a training batch between memory and network: augmentation, scaling, mixing, in this order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.config import RunConfig
from trainer.lazy import lazy
from trainer.registry import families
from trainer.streams import generator

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")


@dataclass(frozen=True)
class Augmenter:
    """Prepares batches of the training part. Each step has a random stream of its own, so a resumed run sees the same."""

    seed: int
    classes: int
    changes: tuple[Callable[..., Any], ...]
    mix: Callable[..., Any] | None
    mean: torch.Tensor
    deviation: torch.Tensor

    def __call__(
        self, inputs: torch.Tensor, targets: torch.Tensor, step: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs [batch, ...] as they lie in memory and targets → what the network gets, and what it is asked for."""
        stream = generator(self.seed, "augmentation", step)
        for change in self.changes:
            inputs = change(inputs, stream)
        if self.changes and inputs.is_floating_point():
            inputs = (inputs - self.mean) / self.deviation
        if self.mix is None:
            return inputs, targets
        labels = torch.nn.functional.one_hot(targets, self.classes).float()
        mixed: tuple[torch.Tensor, torch.Tensor] = self.mix(inputs, labels, stream)
        return mixed


def chosen_changes(config: RunConfig) -> tuple[Callable[..., Any], ...]:
    """The augmentations that are on, in the order of their declaration. They see unscaled inputs."""
    group = (
        name for name, family in families().items() if family.group == "augmentation" and name != "mixing"
    )
    return tuple(config.bound(name) for name in group if getattr(config, name).name != "none")


def build_augmenter(
    config: RunConfig, classes: int, mean: torch.Tensor, deviation: torch.Tensor
) -> Augmenter | None:
    """The augmenter of a run, or None when nothing is on."""
    changes = chosen_changes(config)
    mix = config.bound("mixing") if config.mixing.name != "none" else None
    if not changes and mix is None:
        return None
    return Augmenter(config.seed, classes, changes, mix, mean, deviation)
