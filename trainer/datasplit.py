"""From a data set to tensors: split by seed, scale by the training part alone, move to the device once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.data.samples import Samples, Task
from trainer.lazy import lazy
from trainer.streams import stream_seed

if TYPE_CHECKING:
    import sklearn.model_selection as model_selection
    import torch
else:
    torch = lazy("torch")
    model_selection = lazy("sklearn.model_selection")


@dataclass(frozen=True)
class Part:
    """Inputs [n, *shape] float32 and targets [n] int64 or [n, 1] float32, on the device."""

    inputs: torch.Tensor
    targets: torch.Tensor

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class SplitData:
    """The three parts. Regression targets are standardized; `target_scale` turns an error back into `unit`."""

    train: Part
    validation: Part
    test: Part
    task: Task
    classes: tuple[str, ...]
    unit: str
    target_scale: float

    @property
    def outputs(self) -> int:
        """How many numbers the network puts out for a sample."""
        return len(self.classes) if self.task == "classification" else int(self.train.targets.shape[1])


def split(
    samples: Samples, *, seed: int, validation_share: float, test_share: float, device: torch.device
) -> SplitData:
    """Splits once, by seed alone. Classes keep their shares where each part is large enough to hold them all."""
    rest = np.arange(len(samples.inputs))
    if samples.test is None:
        rest, test_index = _divide(rest, samples, test_share, stream_seed(seed, "split", "test", bits=31))
        test = samples.inputs[test_index], samples.targets[test_index]
    else:
        test, test_share = samples.test, 0.0
    train_index, index = _divide(
        rest, samples, validation_share / (1 - test_share), stream_seed(seed, "split", "validation", bits=31)
    )
    raw = [(samples.inputs[part], samples.targets[part]) for part in (train_index, index)] + [test]
    scale_inputs, (scale_targets, spread) = _input_scaler(raw[0][0]), _target_scaler(raw[0][1], samples.task)
    train, validation, held_out = (
        Part(torch.from_numpy(scale_inputs(x)).to(device), torch.from_numpy(scale_targets(y)).to(device))
        for x, y in raw
    )
    return SplitData(train, validation, held_out, samples.task, samples.classes, samples.unit, spread)


def _divide(index: np.ndarray, samples: Samples, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels = samples.targets[index]
    held_out = math.ceil(share * len(index))
    stratify = None
    if samples.task == "classification":
        counts = np.bincount(labels)
        present = int((counts > 0).sum())
        if counts[counts > 0].min() >= 2 and present <= min(held_out, len(index) - held_out):
            stratify = labels
    kept, aside = model_selection.train_test_split(
        index, test_size=held_out, random_state=seed, stratify=stratify
    )
    return kept, aside


def _input_scaler(train: np.ndarray) -> Any:
    """Standardizes each feature, or each channel of images, by the training part's mean and deviation."""
    axes = (0, 2, 3) if train.ndim == 4 else (0,)
    mean = train.mean(axes, keepdims=True, dtype=np.float64)
    deviation = train.std(axes, keepdims=True, dtype=np.float64)
    deviation[deviation == 0] = 1

    def scale(inputs: np.ndarray) -> np.ndarray:
        scaled = inputs.astype(np.float32)
        scaled -= mean.astype(np.float32)
        scaled /= deviation.astype(np.float32)
        return scaled

    return scale


def _target_scaler(train: np.ndarray, task: Task) -> tuple[Any, float]:
    if task == "classification":
        return np.ascontiguousarray, 1.0
    mean, spread = float(train.mean(dtype=np.float64)), float(train.std(dtype=np.float64)) or 1.0
    return lambda targets: ((targets - mean) / spread).astype(np.float32), spread
