"""From a data set to tensors: split by seed, scaled by the training part alone, moved to the device once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainer.config import RunConfig
from trainer.data.samples import (
    Samples,
    Task,
    brings_test,
    holds_bytes,
    holds_words,
    needs_fitting,
    predicts_classes,
)
from trainer.lazy import lazy
from trainer.streams import generator, stream_seed
from trainer.techniques.input_scaling import Statistics

if TYPE_CHECKING:
    import sklearn.model_selection as model_selection
    import torch
else:
    torch = lazy("torch")
    model_selection = lazy("sklearn.model_selection")


Scaling = Callable[[np.ndarray], Statistics]


@dataclass(frozen=True)
class Part:
    """Inputs [n, *shape], float32 or int64 words, and targets, int64 [n] or float32 [n, 1], on the device."""

    inputs: torch.Tensor
    targets: torch.Tensor

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class SplitData:
    """The three parts, the samples they come from, and the input scaling.

    Regression targets are standardized. `target_scale` converts an error back to the samples' `unit`; `target_scale` and
    `target_mean` convert a prediction.
    """

    train: Part
    validation: Part
    test: Part
    samples: Samples
    mean: torch.Tensor
    deviation: torch.Tensor
    target_scale: float
    target_mean: float

    @property
    def task(self) -> Task:
        """Classification or regression."""
        return self.samples.task

    @property
    def outputs(self) -> int:
        """Number of outputs of the network per sample."""
        return len(self.samples.classes) if predicts_classes(self.task) else int(self.train.targets.shape[1])


def split(
    samples: Samples,
    *,
    seed: int,
    validation_share: float,
    test_share: float,
    device: torch.device,
    scaling: Scaling,
    scale_train: bool = True,
) -> SplitData:
    """Splits samples by seed alone. Classes keep their shares if each part is large enough to hold them all.

    With `scale_train` off, the training part stays unscaled, because augmentation works on plain inputs and scales later.
    """
    rest = np.arange(len(samples.inputs))
    validation_size = share_of(len(rest), validation_share)
    if not brings_test(samples.test):
        test_size = share_of(len(rest), test_share)
        rest, test_index = _divide(rest, samples, test_size, stream_seed(seed, "split", "test", bits=31))
    train_index, validation_index = _divide(
        rest, samples, validation_size, stream_seed(seed, "split", "validation", bits=31)
    )
    if needs_fitting(samples.prepare):  # after the split, so that nothing is learned from the held-out parts
        samples = samples.prepare(train_index)
    inputs, targets = samples.inputs, samples.targets
    if brings_test(samples.test):
        test_inputs, test_targets = samples.test
    else:
        test_inputs, test_targets = inputs[test_index], targets[test_index]
    train_inputs, train_targets = as_floats(inputs[train_index]), targets[train_index]
    mean, deviation = (np.zeros(1), np.ones(1)) if holds_words(inputs) else scaling(train_inputs)
    center = 0.0
    spread = 1.0
    if not predicts_classes(samples.task):
        center = float(train_targets.mean(dtype=np.float64))
        spread = float(train_targets.std(dtype=np.float64)) or 1.0

    def scaled(inputs: np.ndarray) -> np.ndarray:
        return inputs if holds_words(inputs) else (inputs - mean) / deviation

    def part(inputs: np.ndarray, targets: np.ndarray) -> Part:
        if predicts_classes(samples.task):
            wanted = np.ascontiguousarray(targets)
        else:
            wanted = ((targets - center) / spread).astype(np.float32)
        return Part(torch.from_numpy(inputs).to(device), torch.from_numpy(wanted).to(device))

    return SplitData(
        part(scaled(train_inputs) if scale_train else train_inputs, train_targets),
        part(scaled(as_floats(inputs[validation_index])), targets[validation_index]),
        part(scaled(as_floats(test_inputs)), test_targets),
        samples,
        torch.from_numpy(mean).to(device),
        torch.from_numpy(deviation).to(device),
        spread,
        center,
    )


def share_of(samples: int, share: float) -> int:
    """Returns a share as a number of samples: the nearest whole number, at least one."""
    return max(1, round(samples * share))


def training_samples(config: RunConfig) -> int:
    """Returns the number of samples left for training after the validation and test parts."""
    facts = config.data_facts()
    samples = int(config.data.knobs.get("samples", facts.get("samples", 0)))
    own_test = "files" in facts or facts.get("test")  # these come with a test part
    test = 0 if own_test else share_of(samples, config.test_share)
    return max(1, samples - test - share_of(samples, config.validation_share))


def steps_per_epoch(config: RunConfig) -> int:
    """Returns the number of optimizer steps in one pass over the training part."""
    return max(1, len(batch_sizes(training_samples(config), config.batch_size)))


def _divide(index: np.ndarray, samples: Samples, held_out: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels = samples.targets[index]
    kept, aside = model_selection.train_test_split(
        index,
        test_size=held_out,
        random_state=seed,
        stratify=labels if predicts_classes(samples.task) and fills_each_part(labels, held_out) else None,
    )
    return kept, aside


def fills_each_part(labels: np.ndarray, held_out: int) -> bool:
    """Whether each class is large enough to be in both parts, of which one has `held_out` samples."""
    counts = np.bincount(labels)
    present = int((counts > 0).sum())
    return bool(counts[counts > 0].min() >= 2) and present <= min(held_out, len(labels) - held_out)


def batch_sizes(samples: int, batch_size: int) -> list[int]:
    """Returns the sizes of an epoch's batches. A last batch of one sample joins the batch before, for the sake of batch norm."""
    sizes = [batch_size] * (samples // batch_size)
    rest = samples % batch_size
    if rest == 1 and sizes:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes


def batch_order(seed: int, epoch: int, samples: int) -> torch.Tensor:
    """Returns the permutation of the training samples in an epoch, which depends on seed and epoch alone."""
    return torch.randperm(samples, generator=generator(seed, "order", epoch))


def as_floats(inputs: np.ndarray) -> np.ndarray:
    """Returns inputs as float32, images between 0 and 1; words stay int64."""
    if holds_bytes(inputs):
        return inputs.astype(np.float32) / 255
    return inputs if holds_words(inputs) else inputs.astype(np.float32, copy=False)
