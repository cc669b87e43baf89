"""Examples of image augmentation and mixing: pictures before and after."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.examples import Case, Values, example, result, table
from trainer.lazy import lazy
from trainer.registry import find
from trainer.streams import generator

if TYPE_CHECKING:
    import sklearn.datasets as datasets
    import torch
else:
    datasets = lazy("sklearn.datasets")
    torch = lazy("torch")

SIDE = 72  # pixels of the sample photograph
DRAWS = 5
STEPS = 6
FAMILIES = ("random_crop", "horizontal_flip", "rotation", "affine", "color_jitter", "random_erasing")


def pictures(caption: str, items: list[tuple[str, torch.Tensor]]) -> Values:
    """Returns labeled images [channels, height, width] in [0, 1] as 8-bit pixels [height, width, channels]."""
    return {
        "kind": "pictures",
        "caption": caption,
        "items": [
            {
                "label": label,
                "shape": [*image.shape[1:], image.shape[0]],
                "pixels": b64encode(
                    (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy().tobytes()
                ).decode(),
            }
            for label, image in items
        ],
    }


def photograph() -> torch.Tensor:
    """Returns the photograph of a flower that comes with scikit-learn, [3, 72, 72] in [0, 1]."""
    pixels = np.asarray(datasets.load_sample_image("flower.jpg"), dtype=np.float32) / 255
    square = torch.from_numpy(pixels).permute(2, 0, 1)[None, :, :, 106:533]
    small: torch.Tensor = torch.nn.functional.interpolate(
        square, size=(SIDE, SIDE), mode="bilinear", antialias=True
    )
    return small[0]


@example(*FAMILIES)
def augmentation(case: Case) -> Values:
    """One photograph five times in a batch: each gets its own random change."""
    image = photograph()
    changed = case(image.expand(DRAWS, -1, -1, -1), generator(0, "augmentation", 0))
    drawn = [(f"draw {number}", one) for number, one in enumerate(changed, start=1)]
    return result(
        f"The same photograph {DRAWS} times in one batch.",
        pictures("The original, and what the network gets", [("original", image), *drawn]),
    )


@example("mixing")
def mixing(case: Case) -> Values:
    """Four digits of a batch, mixed at six steps of a run."""
    digits = find("data", "digits").function(case.settings.data)
    images = torch.from_numpy(digits.inputs[:4].astype(np.float32))
    numbers = torch.from_numpy(digits.targets[:4])
    labels = torch.nn.functional.one_hot(numbers, 10).float()
    items = [(f"{int(number)}", image) for number, image in zip(numbers, images, strict=True)]
    rows: list[list[Any]] = []
    for step in range(STEPS):
        mixed, targets = case(images, labels, generator(0, "augmentation", step))
        items.append((f"step {step}", mixed[0]))
        shares = {digit: float(share) for digit, share in enumerate(targets[0]) if share > 0}
        first = int(numbers[0])
        rows.append(
            [
                step,
                shares.get(first, 0.0),
                ", ".join(f"{share:.3f} · {digit}" for digit, share in shares.items()),
            ]
        )
    return result(
        "The first digit of a batch of four, mixed at six steps.",
        pictures("The batch, and its first image at each step", items),
        table("Its label at each step", ["step", "λ", "label"], rows),
    )
