"""Examples of data sets and input scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.examples import Case, Values, example, plot, result, table
from trainer.examples.images import pictures
from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch

    from trainer.data.samples import Samples
else:
    torch = lazy("torch")

TABLE = ((1.0, 200.0), (2.0, 400.0), (3.0, 600.0), (4.0, 400.0))
POINTS, IMAGES, ROWS = 400, 8, 5


@example("input_scaling")
def input_scaling(case: Case) -> Values:
    """Two features on very different scales: four training samples, and a validation sample scaled by their statistics."""
    train = np.array(TABLE, dtype=np.float32)
    mean, deviation = case(train)
    unseen = np.array([[5.0, 100.0]], dtype=np.float32)
    rows: list[list[Any]] = [
        ["mean", *mean.ravel().tolist()],
        ["standard deviation", *deviation.ravel().tolist()],
    ]
    if mean.size == 1:
        rows = [[name, *values * 2] for name, *values in rows]
    scaled = [
        [*before, *after]
        for before, after in zip(train.tolist(), ((train - mean) / deviation).tolist(), strict=True)
    ]
    outside = [*unseen[0].tolist(), *((unseen - mean) / deviation)[0].tolist()]
    columns = ["a", "b", "a scaled", "b scaled"]
    return result(
        "The statistics come from the training part alone and scale the other parts too.",
        table("Statistics of the training part", ["", "a", "b"], rows),
        table("Training samples", columns, scaled),
        table("A validation sample", columns, [outside]),
    )


@example("data")
def data(case: Case) -> Values:
    """The first samples. Raises DataError when the files have not been downloaded."""
    samples = case(case.settings.data)
    if samples.prepare is not None:  # a run fits this on its training part alone
        samples = samples.prepare(np.arange(len(samples.inputs)))
    shape = " × ".join(map(str, samples.shape))
    what = f"{len(samples.inputs):,} samples of shape {shape}"
    if samples.classes:
        what += f" in {len(samples.classes)} classes: {', '.join(samples.classes[:10])}"
    return result(f"{what}.", _first_samples(samples))


def _first_samples(samples: Samples) -> Values:
    inputs = samples.inputs
    if samples.vocabulary:
        read = [" ".join(samples.vocabulary[word] for word in row if word) for row in inputs[:ROWS]]
        return table("The first texts", ["text", "label"], _labeled([[text] for text in read], samples))
    if inputs.ndim == 4:
        whole = inputs[:IMAGES].astype(np.float32) / (255 if inputs.dtype == np.uint8 else 1)
        names = [samples.classes[int(target)] for target in samples.targets[:IMAGES]]
        return pictures("The first images", list(zip(names, torch.from_numpy(whole), strict=True)))
    if inputs.ndim == 3:
        steps = [float(step) for step in range(inputs.shape[1])]
        lines = {
            f"input {column + 1}": (steps, inputs[0, :, column].tolist()) for column in range(inputs.shape[2])
        }
        return plot(
            f"The first sequence; its target is {float(samples.targets[0, 0]):.4g}", "step", "value", lines
        )
    if inputs.shape[1] == 2 and samples.task == "classification":
        return _points(samples)
    columns = [*(f"x{number}" for number in range(1, inputs.shape[1] + 1)), "target"]
    return table("The first rows", columns, _labeled(inputs[:ROWS].tolist(), samples))


def _points(samples: Samples) -> Values:
    """Returns a scatter plot with one series per class."""
    lines = {}
    for number, name in enumerate(samples.classes):
        points = samples.inputs[:POINTS][samples.targets[:POINTS] == number]
        lines[name] = (points[:, 0].tolist(), points[:, 1].tolist())
    return plot(f"The first {min(POINTS, len(samples.inputs))} points", "x₁", "x₂", lines) | {"points": True}


def _labeled(rows: list[list[Any]], samples: Samples) -> list[list[Any]]:
    targets = samples.targets[: len(rows)].tolist()
    names = [samples.classes[int(target)] if samples.classes else float(target[0]) for target in targets]
    return [[*row, name] for row, name in zip(rows, names, strict=True)]
