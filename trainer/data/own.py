"""A person's own data: a table with a chosen target, or images sorted into folders.

The knob `file` is the digest of the upload (see uploads.py), so a run says exactly what it was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from trainer.data.columns import Column, columns_of
from trainer.data.encoding import Encoding
from trainer.data.images import MAX_SIDE
from trainer.data.samples import DataError, Samples, Task
from trainer.data.tables import MAX_NAME_LENGTH
from trainer.data.targets import COLUMN_NUMBERS, check_target, used_columns
from trainer.data.uploads import find_manifest, load_array, require_manifest
from trainer.lazy import lazy
from trainer.registry import find, knob, technique

if TYPE_CHECKING:
    from PIL import Image
else:
    Image = lazy("PIL.Image")


File = Annotated[
    str,
    knob(
        "File",
        "The SHA-256 digest of a file uploaded on the Your data page: 64 characters from 0-9 and a-f.",
        pattern=r"^([0-9a-f]{64})?$",
    ),
]


def table_facts(*, file: str, target: str, task: Task, leave_out: str) -> dict[str, Any]:
    """Returns what is known about a table before it is read: its task and, if it is on this machine, its samples and outputs."""
    facts: dict[str, Any] = {"task": task}
    manifest = find_manifest(file)
    if manifest is not None and manifest["kind"] == "table":
        column = next((column for column in columns_of(manifest) if column.name == target), None)
        if column is not None:
            facts["samples"] = manifest["rows"] - column.missing
            facts["outputs"] = column.distinct if task == "classification" else 1
    return facts


@technique(
    "data",
    label="Your table (CSV)",
    task="classification",
    kind="table",
    own="table",
    outputs=1,
    facts_of=table_facts,
    formula=r"x = (\text{numbers}, [\text{category} = k]), \quad y = \text{the column that you choose}",
    when="When you know the techniques on the built-in data and want to see what they do for your own.",
)
def csv(
    folder: Path,
    *,
    file: File = "",
    target: Annotated[
        str,
        knob(
            "Target",
            f"Name of the column to predict, at most {MAX_NAME_LENGTH} characters.",
            pattern=r"^.{0,90}$",
        ),
    ] = "",
    task: Annotated[
        Literal["classification", "regression"],
        knob(
            "Task",
            "Which class a row belongs to, or which number.",
            labels={"classification": "Classification", "regression": "Regression"},
        ),
    ] = "classification",
    leave_out: Annotated[
        str,
        knob(
            "Leave out",
            "Columns to hide from the network, numbered from the left, such as 1, 4-6.",
            pattern=f"^{COLUMN_NUMBERS}$",
        ),
    ] = "",
) -> Samples:
    """A table of your own: choose the column to predict on the Your data page; the other columns predict it.

    Missing numbers are filled with the training part's median (SimpleImputer, with a 0/1 column that marks them), and categories
    become 0/1 columns (OneHotEncoder). Both are fitted on the training part alone.
    """
    manifest = require_manifest(file, "table")
    columns = columns_of(manifest)
    index = check_target(columns, target, task)
    values = load_array(file, "values", (manifest["rows"], len(columns)))
    known = ~np.isnan(values[:, index])
    used = used_columns(columns, index, leave_out)
    targets, classes = _targets(columns[index], values[known, index], task)
    samples = Samples(
        values[known][:, used],
        targets,
        task,
        classes,
        unit=columns[index].name if task == "regression" else "",
        notices=tuple(_notices(columns, index, used, targets, task)),
    )
    return Samples(
        **{**samples.__dict__, "prepare": Encoding(samples, tuple(columns[number] for number in used))}
    )


def data_problem(name: str, knobs: Mapping[str, Any]) -> str:
    """Returns why a run cannot train on the chosen file, with the remedy; empty when it can, or needs no file."""
    kind = find("data", name).facts.get("own")
    try:
        if kind is not None:
            manifest = require_manifest(knobs["file"], kind)
            if kind == "table":
                check_target(columns_of(manifest), knobs["target"], knobs["task"])
    except DataError as error:
        return str(error)
    return ""


def _targets(
    column: Column, known: NDArray[np.float64], task: Task
) -> tuple[NDArray[np.generic], tuple[str, ...]]:
    if task == "regression":
        return known[:, None].astype(np.float32), ()
    values, targets = np.unique(known, return_inverse=True)
    names = column.levels if column.kind == "category" else tuple(f"{value:.12g}" for value in values)
    return targets.astype(np.int64), names


def _notices(
    columns: list[Column], index: int, used: list[int], targets: NDArray[np.generic], task: Task
) -> list[str]:
    """Returns sentences about the rows and columns that are left out, and about rare classes."""
    notices, target = [], columns[index]
    if target.missing:
        notices.append(
            f"{target.missing:,} of {len(targets) + target.missing:,} rows have no value in '{target.name}' and are left out."
        )
    out = [
        f"'{column.name}'" for number, column in enumerate(columns) if number != index and number not in used
    ]
    if out:
        notices.append(
            f"Left out: {', '.join(out[:8])}{f' and {len(out) - 8} more' if len(out) > 8 else ''}."
        )
    if task == "classification":
        counts = np.bincount(targets)
        if few := int((counts < 3).sum()):
            notices.append(
                f"{few} of {len(counts)} classes {'has' if few == 1 else 'have'} fewer than 3 rows, too few for training, "
                "validation and test to see one each."
            )
    return notices


def image_facts(*, file: str, side: int, color: str) -> dict[str, Any]:
    """Returns what is known about images before they are read, if they are on this machine."""
    manifest = find_manifest(file)
    if manifest is None or manifest["kind"] != "images":
        return {}
    return {
        "samples": manifest["train"],
        "outputs": len(manifest["classes"]),
        "test": manifest["train"] < manifest["images"],
    }


@technique(
    "data",
    label="Your images (zip)",
    task="classification",
    kind="image",
    own="images",
    outputs=2,
    facts_of=image_facts,
    formula=r"x \in [0, 1]^{c \times s \times s}, \quad y = \text{the image's folder}",
    when="When you have at least a few dozen images per class; with so few, use augmentation.",
)
def image_folder(
    folder: Path,
    *,
    file: File = "",
    side: Annotated[
        int,
        knob(
            "Image size",
            "Images are scaled to squares of this side.",
            ge=8,
            le=MAX_SIDE,
            step=4,
            unit="pixels",
        ),
    ] = 32,
    color: Annotated[
        Literal["auto", "grey", "color"],
        knob(
            "Color",
            "Auto keeps color where the images have any.",
            labels={"auto": "Auto", "grey": "Gray", "color": "Color"},
        ),
    ] = "auto",
) -> Samples:
    """Images of your own, in a zip with one folder per class; upload it on the Your data page.

    Inputs are uint8 [n, channels, side, side]: the central square of each image. A folder of test images is the test part.
    """
    manifest = require_manifest(file, "images")
    count, train = manifest["images"], manifest["train"]
    stored: tuple[int, ...] = (count, manifest["channels"], manifest["side"], manifest["side"])
    images = scaled(load_array(file, "images", stored, mapped=True), side, color)
    targets = load_array(file, "targets", (count,))
    return Samples(
        images[:train],
        targets[:train],
        "classification",
        tuple(manifest["classes"]),
        test=(images[train:], targets[train:]) if train < count else None,
        notices=tuple(manifest["said"][1:]),
    )


def scaled(images: NDArray[np.uint8], side: int, color: str) -> NDArray[np.uint8]:
    """Returns images [n, channels, …] as squares of `side` pixels, in one channel ("grey"), three ("color"), or their own."""
    channels = {"grey": 1, "color": 3}.get(color, int(images.shape[1]))
    if images.shape[2] == side and images.shape[1] == channels:
        return np.array(images)
    out = np.empty((len(images), channels, side, side), np.uint8)
    method = Image.Resampling.BOX if side < images.shape[2] else Image.Resampling.BILINEAR
    for image, target in zip(images, out, strict=True):
        picture = Image.fromarray(
            image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
        )
        pixels = np.asarray(picture.convert("L" if channels == 1 else "RGB").resize((side, side), method))
        target[:] = pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
    return out
