"""Input scaling: inputs are shifted and divided by statistics of the training part alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainer.lazy import lazy
from trainer.registry import declare_family, technique

if TYPE_CHECKING:
    import sklearn.preprocessing as preprocessing
else:
    preprocessing = lazy("sklearn.preprocessing")

CHUNK_BYTES = 32_000_000  # a copy of all inputs in float64 may not fit into memory
Statistics = tuple[NDArray[np.float32], NDArray[np.float32]]

declare_family(
    "input_scaling",
    label="Input scaling",
    help="Brings features of different sizes to one scale.",
    group="data",
    default="standardize",
)


@technique(
    "input_scaling",
    label="Standardize",
    source="LeCun et al. 1998, Efficient BackProp",
    link="https://doi.org/10.1007/3-540-49430-8_2",
    formula=r"\tilde{x} = \frac{x - \mu_{\mathrm{train}}}{\sigma_{\mathrm{train}}}",
    when="Always, unless the features already share a scale; one learning rate then suits them all.",
    short=lambda train, axes: (train.mean(axes, keepdims=True), train.std(axes, keepdims=True)),
    misconception=(
        "“Scaling before the split is harmless.” It leaks the test part into the mean. Here the statistics come from the "
        "training part alone."
    ),
)
def standardize(train: NDArray[np.generic]) -> Statistics:
    """Subtracts the training part's mean and divides by its standard deviation, per feature or per channel of images.

    Returns both, shaped so that they broadcast over [n, ...].
    """
    features = 1 if are_images(train) else train.ndim - 1  # the axis of channels, or the last
    rows = np.moveaxis(train, features, -1).reshape(len(train), -1, train.shape[features])
    scaler = preprocessing.StandardScaler()
    for chunk in np.array_split(rows, max(1, train.nbytes // CHUNK_BYTES)):
        scaler.partial_fit(chunk.reshape(-1, rows.shape[-1]).astype(np.float64))
    shape = [1] * train.ndim
    shape[features] = -1
    return scaler.mean_.reshape(shape).astype(np.float32), scaler.scale_.reshape(shape).astype(np.float32)


def are_images(inputs: NDArray[np.generic]) -> bool:
    """Whether inputs are [n, channels, height, width]."""
    return inputs.ndim == 4


@technique(
    "input_scaling",
    label="None",
    formula=r"\tilde{x} = x",
    when="The baseline; images stay between 0 and 1.",
)
def none(train: NDArray[np.generic]) -> Statistics:
    """Leaves inputs unchanged; images stay between 0 and 1."""
    return np.zeros((1,) * train.ndim, np.float32), np.ones((1,) * train.ndim, np.float32)
