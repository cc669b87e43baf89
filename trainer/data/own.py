"""A person's own data: a table whose target they chose, or images sorted into folders.

The knob `file` is the digest of what they uploaded (see uploads.py), so a run says exactly what it was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from trainer.data.columns import Column, columns_of
from trainer.data.encoding import Encoding
from trainer.data.images import LARGEST_SIDE
from trainer.data.samples import DataError, Samples, Task
from trainer.data.tables import LONGEST_NAME
from trainer.data.targets import NUMBERS, check_target, used_columns
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
        "The digest (SHA-256) of a file that was added on the page Your data: 64 signs from 0-9 and a-f.",
        pattern=r"^([0-9a-f]{64})?$",
    ),
]


def table_facts(*, file: str, target: str, task: Task, leave_out: str) -> dict[str, Any]:
    """What is known of a table before it is read: its task, and where it is on this machine its samples and outputs."""
    facts: dict[str, Any] = {"task": task}
    manifest = find_manifest(file)
    if manifest is not None and manifest["kind"] == "table":
        column = next((one for one in columns_of(manifest) if one.name == target), None)
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
    when="When you know the baseline techniques and want to see what they bring on data of your own.",
)
def csv(
    folder: Path,
    *,
    file: File = "",
    target: Annotated[
        str,
        knob(
            "Target",
            f"Name of the column to predict, at most {LONGEST_NAME} characters.",
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
            "Columns that the network must not see, by number from the left, such as 1, 4-6.",
            pattern=f"^{NUMBERS}$",
        ),
    ] = "",
) -> Samples:
    """A table of your own: choose the column to predict on the page Your data; the others are what it is predicted from.

    Missing numbers are filled with the training part's median (SimpleImputer, with a 0/1 column that says where), categories
    become 0/1 columns (OneHotEncoder). Both are fitted on the training part alone.
    """
    manifest = require_manifest(file, "table")
    columns = columns_of(manifest)
    place = check_target(columns, target, task)
    values = load_array(file, "values", (manifest["rows"], len(columns)))
    wanted = values[:, place]
    kept = ~np.isnan(wanted)
    used = used_columns(columns, place, leave_out)
    targets, classes = _targets(columns[place], wanted[kept], task)
    samples = Samples(
        values[kept][:, used],
        targets,
        task,
        classes,
        unit=columns[place].name if task == "regression" else "",
        notices=tuple(_notices(columns, place, used, targets, task)),
    )
    return Samples(
        **{**samples.__dict__, "prepare": Encoding(samples, tuple(columns[number] for number in used))}
    )


def data_problem(name: str, knobs: Mapping[str, Any]) -> str:
    """Why a run cannot train on the chosen file, in one sentence with the remedy; empty when it can, or needs no file."""
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
    column: Column, wanted: NDArray[np.float64], task: Task
) -> tuple[NDArray[np.generic], tuple[str, ...]]:
    if task == "regression":
        return wanted[:, None].astype(np.float32), ()
    values, targets = np.unique(wanted, return_inverse=True)
    names = column.levels if column.kind == "category" else tuple(f"{value:.12g}" for value in values)
    return targets.astype(np.int64), names


def _notices(
    columns: list[Column], place: int, used: list[int], targets: NDArray[np.generic], task: Task
) -> list[str]:
    """What was decided about rows and columns before anything was learned."""
    said, target = [], columns[place]
    if target.missing:
        said.append(
            f"{target.missing:,} of {len(targets) + target.missing:,} rows have no value in '{target.name}' and are left out."
        )
    out = [
        f"'{column.name}'" for number, column in enumerate(columns) if number != place and number not in used
    ]
    if out:
        said.append(f"Left out: {', '.join(out[:8])}{f' and {len(out) - 8} more' if len(out) > 8 else ''}.")
    if task == "classification":
        counts = np.bincount(targets)
        if few := int((counts < 3).sum()):
            said.append(
                f"{few} of {len(counts)} classes {'has' if few == 1 else 'have'} fewer than 3 rows: it is chance whether "
                "training, validation and test each see one."
            )
    return said


def image_facts(*, file: str, side: int, color: str) -> dict[str, Any]:
    """What is known of images before they are read, where they are on this machine."""
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
    when="When you have at least some dozens of images of each class; with few of them, augment.",
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
            le=LARGEST_SIDE,
            step=4,
            unit="pixels",
        ),
    ] = 32,
    color: Annotated[
        Literal["auto", "grey", "color"],
        knob(
            "Colour",
            "Auto keeps colour where the images have any.",
            labels={"auto": "Auto", "grey": "Grey", "color": "Colour"},
        ),
    ] = "auto",
) -> Samples:
    """Images of your own, in a zip with one folder for each class; add it on the page Your data.

    Inputs uint8 [n, channels, side, side]: the middle square of each image. A folder of test images is the test part.
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
    """Images [n, channels, …] as squares of `side` pixels, in one channel ("grey"), three ("color"), or as many as they have."""
    channels = {"grey": 1, "color": 3}.get(color, int(images.shape[1]))
    if images.shape[2] == side and images.shape[1] == channels:
        return np.array(images)
    out = np.empty((len(images), channels, side, side), np.uint8)
    how = Image.Resampling.BOX if side < images.shape[2] else Image.Resampling.BILINEAR
    for image, place in zip(images, out, strict=True):
        picture = Image.fromarray(
            image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
        )
        pixels = np.asarray(picture.convert("L" if channels == 1 else "RGB").resize((side, side), how))
        place[:] = pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
    return out
