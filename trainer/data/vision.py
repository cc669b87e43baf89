"""Image data sets that torchvision reads from the data folder, downloaded only on request."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.data.samples import DataError, Samples
from trainer.lazy import lazy
from trainer.registry import find, stands_in, technique

if TYPE_CHECKING:
    import torchvision.datasets as datasets
else:
    datasets = lazy("torchvision.datasets")

MNIST_FILES = tuple(
    f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
)
CIFAR_FILES = tuple(
    f"cifar-10-batches-py/{name}"
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
)
DIGITS = tuple("0123456789")
FASHION_CLASSES = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@technique(
    "data",
    label="MNIST",
    task="classification",
    kind="image",
    shape=(1, 28, 28),
    samples=60_000,
    outputs=10,
    balanced=True,
    files=tuple(f"MNIST/raw/{name}" for name in MNIST_FILES),
    megabytes=12,
    loader="MNIST",
    source="LeCun et al. 1998, Proc. IEEE 86(11)",
    link="https://doi.org/10.1109/5.726791",
    formula=r"x \in [0, 1]^{1 \times 28 \times 28}, \quad y \in \{0, \dots, 9\}",
    when="The best-known benchmark; nearly every network reaches 98%.",
)
def mnist(folder: Path) -> Samples:
    """70,000 handwritten digits of 28×28 pixels; 12 MB, downloaded only on request."""
    return _read("mnist", datasets.MNIST, folder, DIGITS)


@technique(
    "data",
    label="Fashion-MNIST",
    task="classification",
    kind="image",
    shape=(1, 28, 28),
    samples=60_000,
    outputs=10,
    balanced=True,
    files=tuple(f"FashionMNIST/raw/{name}" for name in MNIST_FILES),
    megabytes=31,
    loader="FashionMNIST",
    source="Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747",
    formula=r"x \in [0, 1]^{1 \times 28 \times 28}, \quad y \in \{\text{T-shirt}, \dots, \text{ankle boot}\}",
    when="MNIST's size, but hard enough to show differences between networks.",
)
def fashion_mnist(folder: Path) -> Samples:
    """70,000 pictures of clothes, 28×28 pixels, harder than MNIST; 31 MB, downloaded only on request."""
    return _read("fashion_mnist", datasets.FashionMNIST, folder, FASHION_CLASSES)


@technique(
    "data",
    label="CIFAR-10",
    task="classification",
    kind="image",
    shape=(3, 32, 32),
    samples=50_000,
    outputs=10,
    balanced=True,
    files=CIFAR_FILES,
    megabytes=170,
    loader="CIFAR10",
    source="Krizhevsky 2009, Learning multiple layers of features",
    link="https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf",
    formula=r"x \in [0, 1]^{3 \times 32 \times 32}, \quad y \in \{\text{airplane}, \dots, \text{truck}\}",
    when="Color photographs, where augmentation and residual networks pay off.",
)
def cifar10(folder: Path) -> Samples:
    """60,000 color photographs of 32×32 pixels in ten classes; 170 MB, downloaded only on request."""
    return _read("cifar10", datasets.CIFAR10, folder, CIFAR_CLASSES)


def missing_files(name: str, folder: Path) -> list[str]:
    """Returns the files of a downloadable data set that `folder` lacks; empty when it is complete, or needs no files."""
    files = find("data", name).facts.get("files", ())
    return [file for file in files if not any((folder / form).is_file() for form in (file, f"{file}.gz"))]


def download(name: str, folder: Path, on_progress: Callable[[int, int], None]) -> None:
    """Downloads the data set into `folder`, calling `on_progress(bytes so far, expected bytes)` about four times a second.

    Raises DataError when the network or the server fails; the next call continues with the files that have arrived.
    """
    facts = find("data", name).facts
    folder.mkdir(parents=True, exist_ok=True)
    expected, before, done = facts["megabytes"] * 1_000_000, folder_size(folder), Event()

    def watch() -> None:
        while not done.wait(0.25):
            on_progress(min(folder_size(folder) - before, expected), expected)

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        _loader(name)(folder, train=True, download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{name} could not be downloaded: {error}. Check the connection and try again, "
            f"or copy its files into {folder}."
        ) from error
    finally:
        done.set()
        watcher.join()
    on_progress(expected, expected)


def folder_size(folder: Path) -> int:
    """Returns the bytes of all files below `folder`."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _loader(name: str) -> Any:
    return getattr(datasets, find("data", name).facts["loader"])


def _read(name: str, loader: Any, folder: Path, classes: tuple[str, ...]) -> Samples:
    if missing := missing_files(name, folder):
        raise DataError(
            f"{name} is not in {folder}: {len(missing)} of its files are missing, such as {missing[0]}. "
            f"Download it on the Train page or with: python -m trainer download {name}"
        )
    try:
        _unpack(folder, name)
        unverified = _unverified(loader)
        train, test = (_arrays(unverified(folder, train=part)) for part in (True, False))
        for part in (train, test):
            _check(*part, find("data", name).facts["shape"], len(classes))
    except Exception as error:  # readers of damaged archives and pickles raise many types
        raise DataError(
            f"The files of {name} in {folder} cannot be read ({str(error) or type(error).__name__}). "
            "Delete them and download it again."
        ) from error
    return Samples(*train, "classification", classes, test=test)


@stands_in(_read)
def _fetch(name: str, loader: Any, folder: Path, classes: tuple[str, ...]) -> Samples:
    """Returns the training and test parts as torchvision reads them, after downloading what the folder lacks."""
    train, test = (_arrays(loader(folder, train=part, download=True)) for part in (True, False))
    return Samples(train[0], train[1], "classification", classes, test=test)


def _check(images: np.ndarray, targets: np.ndarray, shape: tuple[int, ...], classes: int) -> None:
    if images.shape != (len(targets), *shape) or not len(targets):
        raise ValueError(f"images {images.shape} do not fit {len(targets)} labels for {shape}")
    if targets.min() < 0 or targets.max() >= classes:
        raise ValueError(f"label {targets.max()} is outside 0 … {classes - 1}")


def _unpack(folder: Path, name: str) -> None:
    """Unpacks files that a person copied into the folder compressed, as they are published."""
    for file in find("data", name).facts["files"]:
        if not (folder / file).is_file():
            unfinished = folder / f"{file}.{os.getpid()}.tmp"  # several runs may unpack at once
            unfinished.write_bytes(gzip.decompress((folder / f"{file}.gz").read_bytes()))
            unfinished.replace(folder / file)


def _unverified(loader: Any) -> Any:
    """Returns the loader without its checksums: CIFAR-10's compares them on every read, but a copied file may be a subset."""
    if not hasattr(loader, "train_list"):
        return loader

    def names(files: list[list[str]]) -> list[list[str | None]]:
        return [[file, None] for file, _ in files]

    facts = {
        "train_list": names(loader.train_list),
        "test_list": names(loader.test_list),
        "meta": {**loader.meta, "md5": None},
    }
    return type(loader.__name__, (loader,), facts)


def _arrays(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns images as uint8 [n, channels, height, width] and targets as int64 [n]."""
    images = np.asarray(data.data)
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(images), np.asarray(data.targets, dtype=np.int64)
