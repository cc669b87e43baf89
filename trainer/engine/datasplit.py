"""From a data set to tensors: split by seed, scaled by the training part alone, moved to the device once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.config import RunConfig
from trainer.data.samples import Samples, Task
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
        return (
            len(self.samples.classes) if self.task == "classification" else int(self.train.targets.shape[1])
        )


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
    test_index = rest[:0]
    if samples.test is None:
        size = share_of(len(rest), test_share)
        rest, test_index = _divide(rest, samples, size, stream_seed(seed, "split", "test", bits=31))
    train_index, index = _divide(
        rest, samples, validation_size, stream_seed(seed, "split", "validation", bits=31)
    )
    if samples.prepare is not None:  # after the split, so that nothing is learned from the held-out parts
        samples = samples.prepare(train_index)
    test = samples.test or (samples.inputs[test_index], samples.targets[test_index])
    raw = [
        (as_floats(x), y)
        for x, y in (
            (samples.inputs[train_index], samples.targets[train_index]),
            (samples.inputs[index], samples.targets[index]),
            test,
        )
    ]
    mean, deviation = scaling(raw[0][0]) if raw[0][0].dtype != np.int64 else (np.zeros(1), np.ones(1))
    scale_targets, center, spread = _target_scaler(raw[0][1], samples.task)

    def part(inputs: np.ndarray, targets: np.ndarray, *, scale: bool) -> Part:
        scaled = (inputs - mean) / deviation if scale and inputs.dtype != np.int64 else inputs
        return Part(torch.from_numpy(scaled).to(device), torch.from_numpy(scale_targets(targets)).to(device))

    train, validation, held_out = (
        part(*arrays, scale=number > 0 or scale_train) for number, arrays in enumerate(raw)
    )
    return SplitData(
        train,
        validation,
        held_out,
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
    stratify = None
    if samples.task == "classification":
        counts = np.bincount(labels)
        present = int((counts > 0).sum())
        if counts[counts > 0].min() >= 2 and present <= min(held_out, len(index) - held_out):
            stratify = labels
    rest, part = model_selection.train_test_split(
        index, test_size=held_out, random_state=seed, stratify=stratify
    )
    return rest, part


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
    if inputs.dtype == np.uint8:
        return inputs.astype(np.float32) / 255
    return inputs if inputs.dtype == np.int64 else inputs.astype(np.float32, copy=False)


def _target_scaler(train: np.ndarray, task: Task) -> tuple[Any, float, float]:
    if task == "classification":
        return np.ascontiguousarray, 0.0, 1.0
    mean, spread = float(train.mean(dtype=np.float64)), float(train.std(dtype=np.float64)) or 1.0
    return lambda targets: ((targets - mean) / spread).astype(np.float32), mean, spread
