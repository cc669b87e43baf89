"""How inputs are scaled before the network sees them. Statistics come from the training part alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.registry import declare_family, technique

Statistics = tuple[NDArray[np.float32], NDArray[np.float32]]

declare_family(
    "input_scaling",
    label="Input scaling",
    help="Puts features of different size on one scale.",
    group="data",
    default="standardize",
)


@technique("input_scaling", label="Standardize")
def standardize(train: NDArray[np.generic]) -> Statistics:
    """Subtracts the training part's mean and divides by its deviation: per feature, or per channel of images.

    Returns both, shaped so that they broadcast over [n, ...].
    """
    axes = {4: (0, 2, 3), 3: (0, 1)}.get(train.ndim, (0,))
    mean = train.mean(axes, keepdims=True, dtype=np.float64)
    deviation = train.std(axes, keepdims=True, dtype=np.float64)
    deviation[deviation == 0] = 1
    return mean.astype(np.float32), deviation.astype(np.float32)


@technique("input_scaling", label="None")
def none(train: NDArray[np.generic]) -> Statistics:
    """Leaves inputs as they come; images stay between 0 and 1."""
    return np.zeros((1,) * train.ndim, np.float32), np.ones((1,) * train.ndim, np.float32)
