"""What augmentation costs a run, and what working on whole batches saves. Prints one JSON line.

    python tests/bench/augmentation_speed.py

First the CNN on images of CIFAR's size, all six augmentations on against off: a ratio of 1.5 means that a step takes half as
long again. Then each of our functions on a batch against torchvision's v2 transform applied to one image after the other,
which is what a DataLoader does; more than 1 means ours is faster.
"""

from __future__ import annotations

import json
import pickle
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import torch
from interleaved import ratio, rounds
from torchvision.transforms import v2
from training_speed import Silent

from trainer.config import RunConfig
from trainer.engine.build import build
from trainer.engine.loop import Trainer
from trainer.engine.state import State
from trainer.registry import find

BATCH, SHAPE, SAMPLES = 64, (3, 32, 32), 1300
AUGMENTATIONS: dict[str, tuple[str, Any]] = {
    "random_crop": ("resized", v2.RandomResizedCrop(32, scale=(0.6, 1), antialias=False)),
    "horizontal_flip": ("flip", v2.RandomHorizontalFlip()),
    "rotation": ("rotate", v2.RandomRotation(10, interpolation=v2.InterpolationMode.BILINEAR)),
    "affine": (
        "shift_scale_shear",
        v2.RandomAffine(0, (0.1, 0.1), (0.9, 1.1), 5, interpolation=v2.InterpolationMode.BILINEAR),
    ),
    "color_jitter": ("jitter", v2.ColorJitter(0.2, 0.2, 0.2)),
    "random_erasing": ("erase", v2.RandomErasing()),
}


def main() -> None:
    """Measures and prints."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_cifar(home / "cifar-10-batches-py")
        print(json.dumps({"benchmark": "augmentation_speed", **in_training(home), **against_torchvision()}))


def in_training(home: Path) -> dict[str, float]:
    """How much longer a step of the CNN takes with everything on, and with each augmentation alone."""
    plain = {"data": "cifar10", "model": "cnn", "batch_size": BATCH, "epochs": 1, "device": "cpu"}
    on = {name: function for name, (function, _) in AUGMENTATIONS.items()}
    off, all_on = RunConfig.from_flat(plain), RunConfig.from_flat({**plain, **on})
    mixed = RunConfig.from_flat({**plain, "mixing": "cutmix"})
    measured = rounds(
        {
            "off": lambda: seconds_a_step(off, home),
            "on": lambda: seconds_a_step(all_on, home),
            "mixed": lambda: seconds_a_step(mixed, home),
        },
        count=5,
    )
    return {
        "steps_per_s_off": round(1 / min(measured["off"])),
        "all_six_cost": ratio(measured, "on", "off"),
        "cutmix_cost": ratio(measured, "mixed", "off"),
    }


def seconds_a_step(config: RunConfig, home: Path) -> float:
    """Of one epoch of the product's loop."""
    trainer = Trainer(build(config, home), State(), None, Silent(), lambda: None)
    begun = time.perf_counter()
    trainer.train_epoch()
    return (time.perf_counter() - begun) / trainer.state.step


def against_torchvision() -> dict[str, float]:
    """Torchvision's time for a batch, an image at a time, over ours."""
    images, stream = torch.rand(BATCH, *SHAPE), torch.Generator().manual_seed(0)
    found = {}
    for name, (function, transform) in AUGMENTATIONS.items():
        ours = find(name, function).function
        measured = rounds(
            {
                "ours": lambda ours=ours: repeated(lambda: ours(images, stream)),
                "theirs": lambda theirs=transform: repeated(lambda: [theirs(image) for image in images]),
            },
            count=5,
        )
        found[f"{name}_speedup"] = round(ratio(measured, "theirs", "ours"), 1)
        found[f"{name}_us"] = round(min(measured["ours"]) * 1e6)
    return found


def repeated(call: Any, times: int = 10) -> float:
    """Seconds of one call, the mean of several."""
    begun = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - begun) / times


def write_cifar(folder: Path) -> None:
    """Random pictures in CIFAR-10's file format: speed does not depend on what they show."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        count = SAMPLES // 5
        content = {
            "data": random.integers(0, 256, (count, 3072), dtype=np.uint8),
            "labels": random.integers(0, 10, count).tolist(),
        }
        (folder / name).write_bytes(pickle.dumps(content))
    names = [str(number) for number in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))


if __name__ == "__main__":
    main()
