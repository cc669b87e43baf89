"""What every data set returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, TypeGuard

import numpy as np
from numpy.typing import NDArray

from trainer.registry import declare_family, knob

Task = Literal["classification", "regression"]
Arrays = tuple[NDArray[np.generic], NDArray[np.generic]]  # inputs and targets
Prepare = Callable[[NDArray[np.intp]], "Samples"]
Progress = Callable[[float], None]  # called with the share that is done
Noise = Annotated[float, knob("Noise", "Spread of the points around their curve.", ge=0, le=1, step=0.05)]
Count = Annotated[int, knob("Samples", "Number of generated samples.", ge=20, le=100_000, step=100)]
DataSeed = Annotated[
    int, knob("Data seed", "Draws other samples from the same distribution.", ge=0, le=2**31 - 1, step=1)
]

declare_family("data", label="Data set", help="What the network learns from.", group="data", default="digits")


def silent(*_: object) -> None:
    """A no-op progress callback."""


class DataError(Exception):
    """The data is missing or cannot be read. The message says what to do."""


@dataclass(frozen=True)
class Samples:
    """A whole data set in memory.

    `inputs` is float32 [n, features]; for sequences [n, steps, features]; for images uint8, or float32 in [0, 1],
    [n, channels, height, width]; for texts int64 [n, words], indices into `vocabulary`, where 0 is padding. `targets` is int64
    [n] with classes 0 … len(classes) − 1, or float32 [n, 1] in `unit` for regression. `test` is a test part that comes with the
    data; without one, a share of the samples is set aside.

    `prepare` is set where the inputs must first be fitted to training samples, such as a median for missing values. It takes the
    indices [train] of the training samples, learns from these alone, and returns samples as above.
    `notices` are sentences about the data for the person who trains on it.
    """

    inputs: NDArray[np.generic]
    targets: NDArray[np.generic]
    task: Task
    classes: tuple[str, ...] = ()
    unit: str = ""
    vocabulary: tuple[str, ...] = ()
    test: Arrays | None = None
    prepare: Prepare | None = None
    notices: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.inputs.shape[1:])


# What the engine asks of samples. An exported script keeps the branch that its data takes; see trainer/export/script.


def predicts_classes(task: Task) -> bool:
    """Whether classes are predicted, rather than numbers."""
    return task == "classification"


def holds_words(inputs: NDArray[np.generic]) -> bool:
    """Whether inputs are word numbers, which are never scaled."""
    return inputs.dtype == np.int64


def holds_bytes(inputs: NDArray[np.generic]) -> bool:
    """Whether inputs are pixels from 0 to 255."""
    return inputs.dtype == np.uint8


def brings_test(test: Arrays | None) -> TypeGuard[Arrays]:
    """Whether the data come with a test part of their own."""
    return test is not None


def needs_fitting(prepare: Prepare | None) -> TypeGuard[Prepare]:
    """Whether inputs become numbers only by what the training part shows."""
    return prepare is not None
