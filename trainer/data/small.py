"""Data sets that need no download: one comes with scikit-learn, the others are generated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np

from trainer.data.samples import Count, DataSeed, Noise, Samples
from trainer.lazy import lazy
from trainer.registry import knob, technique

if TYPE_CHECKING:
    import sklearn.datasets as datasets
else:
    datasets = lazy("sklearn.datasets")

TWO_CLASSES = ("blue", "orange")


@technique(
    "data",
    label="Digits (8×8 images)",
    task="classification",
    kind="image",
    shape=(1, 8, 8),
    samples=1797,
    outputs=10,
    balanced=True,
    source="Alpaydin & Kaynak 1998",
    link="https://archive.ics.uci.edu/dataset/80",
    formula=r"x \in [0, 1]^{1 \times 8 \times 8}, \quad y \in \{0, \dots, 9\}",
    when="The default: real images, few and small, learned within seconds.",
)
def digits(folder: Path) -> Samples:
    """1,797 real handwritten digits of 8×8 pixels that come with scikit-learn; no download."""
    bunch = datasets.load_digits()
    images = (bunch.images / 16).astype(np.float32)[:, None]
    return Samples(images, bunch.target.astype(np.int64), "classification", tuple("0123456789"))


@technique(
    "data",
    label="Delivery time (regression)",
    task="regression",
    kind="table",
    shape=(4,),
    outputs=1,
    formula=r"y = 8.6 + 7.3\,\text{distance} + 0.8\,\text{preparation} + 1.5\,\text{traffic} + \mathcal{N}(0, 4^2)",
    when="Regression with a known lowest error: noise of 4 minutes leaves a mean absolute error of about 3.2.",
)
def delivery_time(
    folder: Path,
    *,
    samples: Count = 3000,
    seed: DataSeed = 42,
) -> Samples:
    """Minutes until a meal arrives, from distance, traffic, preparation time and order value; generated with known noise."""
    random = np.random.default_rng(seed)
    distance = np.clip(np.abs(random.normal(4, 2, samples)), 0.5, 15)
    traffic = random.integers(1, 11, samples)
    preparation = np.clip(np.abs(random.normal(15, 5, samples)), 5, 35)
    value = np.clip(np.abs(random.normal(350, 150, samples)), 50, 1200)
    minutes = 8.6 + 7.3 * distance + 0.8 * preparation + 1.5 * traffic + random.normal(0, 4, samples)
    inputs = np.stack([distance, traffic, preparation, value], axis=1).astype(np.float32)
    return Samples(
        inputs, np.clip(minutes, 10, 120).astype(np.float32)[:, None], "regression", unit="minutes"
    )


@technique(
    "data",
    label="Two moons",
    task="classification",
    kind="plane",
    shape=(2,),
    outputs=2,
    balanced=True,
    formula=r"(\cos t, \sin t) \ \text{ and } \ (1 - \cos t, \tfrac{1}{2} - \sin t), \quad t \in [0, \pi]",
    when="To watch a decision boundary bend.",
)
def two_moons(folder: Path, *, samples: Count = 1000, noise: Noise = 0.2, seed: DataSeed = 42) -> Samples:
    """Two interleaving half circles: the smallest problem that a straight line cannot solve."""
    return _plane(*datasets.make_moons(samples, noise=noise, random_state=seed))


@technique(
    "data",
    label="Circles",
    task="classification",
    kind="plane",
    shape=(2,),
    outputs=2,
    balanced=True,
    formula=r"(\cos t, \sin t) \ \text{ and } \ r\,(\cos t, \sin t)",
    when="To watch a decision boundary close.",
)
def circles(
    folder: Path,
    *,
    samples: Count = 1000,
    noise: Noise = 0.1,
    factor: Annotated[
        float, knob("Inner radius", "Relative to the outer circle.", ge=0.05, le=0.95, step=0.05)
    ] = 0.5,
    seed: DataSeed = 42,
) -> Samples:
    """One circle inside another."""
    return _plane(*datasets.make_circles(samples, noise=noise, factor=factor, random_state=seed))


@technique(
    "data",
    label="XOR",
    task="classification",
    kind="plane",
    shape=(2,),
    outputs=2,
    balanced=True,
    formula=r"y = [x_1 > 0] \oplus [x_2 > 0]",
    when="To see what a hidden layer is for.",
)
def xor(folder: Path, *, samples: Count = 1000, noise: Noise = 0.1, seed: DataSeed = 42) -> Samples:
    """Four clusters, opposite corners of one class: a network without a hidden layer cannot learn it."""
    random = np.random.default_rng(seed)
    corners = random.integers(0, 2, (samples, 2))
    points = (
        2 * corners - 1 + random.uniform(-0.8, 0.8, corners.shape) + random.normal(0, noise, corners.shape)
    )
    return _plane(points, corners[:, 0] ^ corners[:, 1])


@technique(
    "data",
    label="Spirals",
    task="classification",
    kind="plane",
    shape=(2,),
    outputs=2,
    balanced=True,
    formula=r"2\sqrt{u}\,(\cos \varphi, \sin \varphi), \quad \varphi = 2\pi \cdot \text{turns} \cdot \sqrt{u} + \pi y",
    when="To see what depth is for.",
)
def spirals(
    folder: Path,
    *,
    samples: Count = 1000,
    noise: Noise = 0.1,
    turns: Annotated[
        float, knob("Turns", "How often each arm winds around.", ge=0.25, le=4, step=0.25)
    ] = 1.5,
    seed: DataSeed = 42,
) -> Samples:
    """Two arms wound around each other: hard for a shallow network."""
    random = np.random.default_rng(seed)
    targets = np.arange(samples) % 2
    radius = np.sqrt(random.uniform(0, 1, samples))  # the root spreads points evenly over the area
    angle = radius * turns * 2 * np.pi + targets * np.pi
    points = 2 * radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _plane(points + random.normal(0, noise, points.shape), targets)


def _plane(points: np.ndarray, targets: np.ndarray) -> Samples:
    return Samples(points.astype(np.float32), targets.astype(np.int64), "classification", TWO_CLASSES)
