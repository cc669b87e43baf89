"""Prepares training batches: augmentation, scaling and mixing, in this order."""

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
    """Prepares batches of the training part. Each step has its own random stream, so a resumed run gets the same batches."""

    seed: int
    classes: int
    changes: tuple[Callable[..., Any], ...]
    mix: Callable[..., Any] | None
    mean: torch.Tensor
    deviation: torch.Tensor

    def __call__(
        self, inputs: torch.Tensor, targets: torch.Tensor, step: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the inputs of the network and the targets of the loss for stored inputs [batch, ...] and targets."""
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
    """Returns the families of the augmentations that are on, in order of declaration. They work on unscaled inputs."""
    names = (name for name, family in families().items() if family.group in ("augmentation", "text"))
    return tuple(name for name in names if name != "mixing" and getattr(config, name).name != "none")


def missing_requirements(config: RunConfig, folder: Path) -> list[str]:
    """Returns a sentence, with the command to install it, for each thing that the chosen techniques need and cannot find."""
    checks = ((config.technique(name).facts.get("needs"), getattr(config, name).knobs) for name in families())
    sentences = (needs(folder, **knobs) for needs, knobs in checks if needs)
    return list(dict.fromkeys(sentence for sentence in sentences if sentence))


def build_augmenter(
    config: RunConfig, data: SplitData, folder: Path, report: Callable[[int, int], None]
) -> Augmenter | None:
    """Returns the augmenter of a run, or None when no augmentation is on. Raises DataError when a requirement is missing."""
    for sentence in missing_requirements(config, folder):
        raise DataError(f"{sentence}.")
    changes = tuple(_prepared(config, name, data, folder, report) for name in chosen_changes(config))
    mix = config.bound("mixing") if config.mixing.name != "none" else None
    if not changes and mix is None:
        return None
    return Augmenter(
        config.seed_for("order"), len(data.samples.classes), changes, mix, data.mean, data.deviation
    )


def _prepared(
    config: RunConfig, name: str, data: SplitData, folder: Path, report: Callable[[int, int], None]
) -> Callable[..., Any]:
    """Returns an augmentation, bound to its lookup table if it needs one. The table is built from the training part alone."""
    change, technique = config.bound(name), config.technique(name)
    prepare, words = technique.facts.get("prepare"), data.train.inputs
    if prepare is None:
        return change
    try:
        table = prepare(
            data.samples.vocabulary, words.cpu().numpy(), folder, report, **getattr(config, name).knobs
        )
    except Exception as error:  # readers of damaged files raise many types
        raise DataError(
            f"The files of {families()[name].label.lower()} cannot be read from {folder} "
            f"({str(error) or type(error).__name__}). Delete them and install them again."
        ) from error
    return partial(change, table=torch.from_numpy(table).to(words.device))
