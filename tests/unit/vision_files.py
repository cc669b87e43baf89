"""Writes small image data sets in the very formats in which MNIST and CIFAR-10 are published."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np

from trainer.registry import find


def idx(array: np.ndarray) -> bytes:
    """The idx format: two zero bytes, type 8 (unsigned byte), rank, sizes big-endian, then the bytes."""
    return (
        struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        + array.astype(np.uint8).tobytes()
    )


def mnist(folder: Path, name: str, packed: bool = False, train: int = 60, test: int = 20) -> None:
    """Four idx files with random images and every class, gzipped if `packed`."""
    random = np.random.default_rng(0)
    for image_file, label_file in zip(*[iter(find("data", name).facts["files"])] * 2, strict=True):
        count = train if "train" in image_file else test
        for file, array in (
            (image_file, random.integers(0, 256, (count, 28, 28))),
            (label_file, np.arange(count) % 10),
        ):
            path = folder / (file + ".gz" if packed else file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))


def cifar(folder: Path, each: int = 12) -> None:
    """Five training pickles, one for testing and the names of the classes."""
    random = np.random.default_rng(0)
    for file in find("data", "cifar10").facts["files"]:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name == "batches.meta":
            content = {"label_names": ["airplane"] * 10}
        else:
            pixels = random.integers(0, 256, (each, 3072)).astype(np.uint8)
            content = {"data": pixels, "labels": [number % 10 for number in range(each)]}
        path.write_bytes(pickle.dumps(content))


def write(name: str, folder: Path) -> None:
    """The files of any data set that needs some."""
    cifar(folder) if name == "cifar10" else mnist(folder, name)
