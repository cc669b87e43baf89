"""What happens to a training batch between memory and network: augmentation, scaling, mixing, in this order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from trainer.config import RunConfig
from trainer.data import DataError
from trainer.engine.datasplit import SplitData
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
        if scales_late(self.changes, inputs):
            inputs = (inputs - self.mean) / self.deviation
        if not mixes(self.mix):
            return inputs, targets
        labels = torch.nn.functional.one_hot(targets, self.classes).float()
        mixed: tuple[torch.Tensor, torch.Tensor] = self.mix(inputs, labels, stream)
        return mixed


def scales_late(changes: Sequence[Callable[..., Any]], inputs: torch.Tensor) -> bool:
    """Whether inputs are scaled batch by batch: changes work on plain pixels, and words are never scaled."""
    return bool(changes) and inputs.is_floating_point()


def mixes(mix: Callable[..., Any] | None) -> TypeGuard[Callable[..., Any]]:
    """Whether samples are mixed, and their labels with them."""
    return mix is not None


def chosen_changes(config: RunConfig) -> tuple[str, ...]:
    """The families of the augmentations that are on, in the order of their declaration. They see unscaled inputs."""
    found = (name for name, family in families().items() if family.group in ("augmentation", "text"))
    return tuple(name for name in found if name != "mixing" and getattr(config, name).name != "none")


def lacking(config: RunConfig, folder: Path) -> list[str]:
    """What the chosen techniques need beyond this package and is not here: sentences with the command that brings it."""
    checks = ((config.technique(name).facts.get("needs"), getattr(config, name).knobs) for name in families())
    sentences = (needs(folder, **knobs) for needs, knobs in checks if needs)
    return list(dict.fromkeys(sentence for sentence in sentences if sentence))


def build_augmenter(
    config: RunConfig, data: SplitData, folder: Path, report: Callable[[int, int], None]
) -> Augmenter | None:
    """The augmenter of a run, or None when nothing is on. Raises DataError when something that it needs is missing."""
    for sentence in lacking(config, folder):
        raise DataError(f"{sentence}.")
    changes = tuple(_prepared(config, name, data, folder, report) for name in chosen_changes(config))
    mix = config.bound("mixing") if config.mixing.name != "none" else None
    if not changes and mix is None:
        return None
    return Augmenter(config.seed, len(data.samples.classes), changes, mix, data.mean, data.deviation)


def _prepared(
    config: RunConfig, name: str, data: SplitData, folder: Path, report: Callable[[int, int], None]
) -> Callable[..., Any]:
    """The change, with the table that it looks things up in where it has one: made from the training part alone."""
    change, technique = config.bound(name), config.technique(name)
    prepare, words = technique.facts.get("prepare"), data.train.inputs
    if prepare is None:
        return change
    try:
        table = prepare(
            data.samples.vocabulary, words.cpu().numpy(), folder, report, **getattr(config, name).knobs
        )
    except Exception as error:  # damaged files raise whatever their readers stumble over
        raise DataError(
            f"What {families()[name].label.lower()} needs cannot be read from {folder} "
            f"({str(error) or type(error).__name__}). Delete it there and fetch it again."
        ) from error
    return partial(change, table=torch.from_numpy(table).to(words.device))
