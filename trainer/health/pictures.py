"""Pictures of what a network has learned, from the validation part alone: they show on the Health page while it trains.

Each is a message of trainer/curves/packing.py, stored as a view under its name:

- `decision` (classes in the plane): `classes` and `confidence` u1 [48, 48], row 0 at the bottom: the class predicted there
  and its probability · 255; `x`, `y` f4 and `label`, `held` u1 [points]: samples (held: of the validation part); header
  `range [x0, x1, y0, y1]`
- `confusion` (classes): `counts` i4 [classes, classes], rows true, columns predicted; beyond 100 classes the last is "others"
- `mistakes` (images): the validation images with the largest loss of those predicted wrong: `pixels` u1 [n, channels, height,
  width], `true`, `predicted` i4 and `confidence`, `loss` f4 [n]; header `wrong` and `of`, how many of how many
- `regression`: `truth` and `predicted` f4 [at most 1,000], in the header's `unit`

Every header has `name`, `step`, `epoch`, `final`, and `classes` where there are any. Pictures are a matter of the clock, not
of the configuration: they are taken after an epoch, but never so often that they cost more than `SHARE` of the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from trainer.curves.packing import Array, pack
from trainer.engine.build import BuiltRun
from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

SHARE = 0.015
PAUSE = 0.5  # seconds between two at least
GRID = 48
POINTS = 400  # of each part
LARGEST_MATRIX = 100
WORST = 15
LARGEST_SIDE = 48  # pixels
SCATTER = 1000


class ViewRecorder(Protocol):
    """The part of a recorder that pictures are handed to."""

    def view(self, name: str, step: int, data: bytes) -> None:
        """The newest view of a name; it replaces the one before."""


class Pictures:
    """Takes the pictures that a run's data have use for."""

    def __init__(
        self, run: BuiltRun, recorder: ViewRecorder, predict: Callable[[torch.Tensor], torch.Tensor]
    ) -> None:
        """`predict`: inputs → outputs in evaluation mode, without a gradient."""
        self.run, self.recorder, self.predict = run, recorder, predict
        self.due = 0.0
        self.kinds = list(kinds(run)) if run.config.health else []
        self.frame = plane(run) if decision in self.kinds else None

    def after_epoch(self, step: int, epoch: int, outputs: torch.Tensor) -> None:
        """Takes them, if it is time. `outputs` are those for the validation part."""
        if time.perf_counter() >= self.due:
            self.take(step, epoch, outputs)

    def take(
        self, step: int, epoch: int, outputs: torch.Tensor | None = None, *, final: bool = False
    ) -> None:
        """Takes them now; `final` says that the weights will not change any more."""
        if not self.kinds:
            return
        begun = time.perf_counter()
        outputs = self.predict(self.run.data.validation.inputs) if outputs is None else outputs
        for kind in self.kinds:
            header, arrays = kind(self, outputs)
            told = {"name": kind.__name__, "step": step, "epoch": epoch, "final": final, **header}
            if self.run.data.samples.classes:
                told["classes"] = [plain(name) for name in self.run.data.samples.classes]
            self.recorder.view(kind.__name__, step, pack(told, arrays))
        now = time.perf_counter()
        self.due = now + max(PAUSE, (now - begun) / SHARE)


Picture = tuple[dict[str, Any], dict[str, Array]]


def kinds(run: BuiltRun) -> Iterator[Callable[[Pictures, torch.Tensor], Picture]]:
    """The pictures that fit a data set."""
    samples = run.data.samples
    if samples.task == "regression":
        yield regression
        return
    if samples.shape == (2,) and not samples.vocabulary and len(samples.classes) <= 255:
        yield decision
    yield confusion
    if len(samples.shape) == 3:
        yield mistakes


def decision(pictures: Pictures, outputs: torch.Tensor) -> Picture:
    """What the network would say anywhere in the plane."""
    assert pictures.frame is not None
    grid, header, points = pictures.frame
    confidence, classes = pictures.predict(grid).softmax(1).max(1)
    sure = (confidence.nan_to_num(0) * 255).round().to(torch.uint8).view(GRID, GRID)
    return header, {
        "classes": numpy_of(classes.to(torch.uint8).view(GRID, GRID)),
        "confidence": numpy_of(sure),
        **points,
    }


def confusion(pictures: Pictures, outputs: torch.Tensor) -> Picture:
    """How often each class was taken for each other."""
    size = min(len(pictures.run.data.samples.classes), LARGEST_MATRIX)
    truth = pictures.run.data.validation.targets.clamp(max=size - 1)
    predicted = outputs.argmax(1).clamp(max=size - 1)
    counts = torch.bincount(truth * size + predicted, minlength=size * size)
    return {}, {"counts": numpy_of(counts.view(size, size).int())}


def mistakes(pictures: Pictures, outputs: torch.Tensor) -> Picture:
    """The images that it is most wrong about."""
    data = pictures.run.data
    targets = data.validation.targets
    losses = torch.nn.functional.cross_entropy(outputs.float(), targets, reduction="none")
    predicted = outputs.argmax(1)
    wrong = (predicted != targets).nonzero().flatten()
    worst = wrong[losses[wrong].argsort(descending=True, stable=True)[:WORST]]
    confidence = outputs[worst].float().softmax(1).amax(1)
    return {"wrong": len(wrong), "of": len(targets)}, {
        "pixels": numpy_of(pixels(pictures.run, data.validation.inputs[worst])),
        "true": numpy_of(targets[worst].int()),
        "predicted": numpy_of(predicted[worst].int()),
        "confidence": numpy_of(confidence),
        "loss": numpy_of(losses[worst]),
    }


def regression(pictures: Pictures, outputs: torch.Tensor) -> Picture:
    """Predicted against true, in the target's unit."""
    data = pictures.run.data
    every = -(-len(outputs) // SCATTER)
    found = {"truth": data.validation.targets[::every, 0], "predicted": outputs[::every, 0]}
    scaled = {
        name: numpy_of(values.double()) * data.target_scale + data.target_mean
        for name, values in found.items()
    }
    return {"unit": plain(data.samples.unit), "of": len(outputs)}, scaled


def plane(run: BuiltRun) -> tuple[torch.Tensor, dict[str, Any], dict[str, Array]]:
    """Grid [48 · 48, 2] over all but the test part as the network sees it, and header and points for people."""
    data = run.data
    parts = [(data.train, 0), (data.validation, 1)]
    chosen, labels, held = [], [], []
    for part, mark in parts:
        every = -(-len(part) // POINTS)
        chosen.append(part.inputs[::every])
        labels.append(part.targets[::every])
        held += [mark] * len(labels[-1])
    inputs = torch.cat([part.inputs for part, _ in parts])
    low, high = inputs.amin(0), inputs.amax(0)
    margin = (high - low).clamp(min=1e-6) * 0.08
    low, high = low - margin, high + margin
    sides = [torch.linspace(float(low[i]), float(high[i]), GRID, device=run.device) for i in range(2)]
    y, x = torch.meshgrid(sides[1], sides[0], indexing="ij")
    points = numpy_of(unscaled(run, torch.cat(chosen)))
    corners = numpy_of(unscaled(run, torch.stack([low, high])))
    header = {"range": [float(corners[i, j]) for j in range(2) for i in range(2)]}
    return (
        torch.stack([x.flatten(), y.flatten()], dim=1),
        header,
        {
            "x": points[:, 0],
            "y": points[:, 1],
            "label": numpy_of(torch.cat(labels).to(torch.uint8)),
            "held": np.array(held, dtype=np.uint8),
        },
    )


def pixels(run: BuiltRun, images: torch.Tensor) -> torch.Tensor:
    """Scaled images as uint8 [n, 1 or 3, height, width] for people, at most 48 pixels a side."""
    plain = unscaled(run, images).float().clamp(0, 1)
    if plain.shape[1] != 3:
        plain = plain[:, :1]
    height, width = plain.shape[2:]
    shrink = LARGEST_SIDE / max(height, width)
    if shrink < 1 and len(plain):
        sides = max(1, round(height * shrink)), max(1, round(width * shrink))
        plain = torch.nn.functional.adaptive_avg_pool2d(plain, sides)
    return (plain * 255).round().to(torch.uint8)


def unscaled(run: BuiltRun, inputs: torch.Tensor) -> torch.Tensor:
    """Inputs before they were scaled for the network."""
    return inputs * run.data.deviation + run.data.mean


def plain(name: str) -> str:
    """A name as it can travel: other people's text may be long, or hold halves of characters."""
    return name[:80].encode("utf-8", "replace").decode("utf-8")


def numpy_of(tensor: torch.Tensor) -> Array:
    """The tensor's values on this side of the bus."""
    array: Array = tensor.detach().cpu().numpy()
    return array
