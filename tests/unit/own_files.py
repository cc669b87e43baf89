"""Files that a person might upload: small honest ones, and a way to take them in without a browser."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np
from PIL import Image

from trainer.data.choosing import suggested_values
from trainer.data.uploads import find_manifest
from trainer.processes.sandboxed_reader import receive_file
from trainer.settings import get_settings


def csv_bytes(rows: int = 60, seed: int = 0) -> bytes:
    """A table with an identifier, numbers with gaps, a date, categories, and two possible targets."""
    random = np.random.default_rng(seed)
    lines = ["id,age,city,joined,income,member"]
    for number in range(rows):
        age = "" if number % 10 == 3 else str(random.integers(18, 80))
        city = "" if number % 15 == 4 else random.choice(["Rome", "Oslo", "Lima"])
        income = random.normal(1000, 200) + 10 * float(age or 40)
        member = "yes" if income > 1450 else "no"
        lines.append(f"{number},{age},{city},2024-03-{number % 28 + 1:02d},{income:.2f},{member}")
    return "\n".join(lines).encode()


def png(shade: int, side: int = 12, mode: str = "RGB", seed: int = 0) -> bytes:
    """A noisy image around one shade."""
    random = np.random.default_rng(seed)
    pixels = np.clip(random.normal(shade, 20, (side, side, 3)), 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(out, "PNG")
    return out.getvalue()


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def image_files(each: int = 15, mode: str = "RGB", top: str = "") -> dict[str, bytes]:
    """Dark and bright images in a folder for each class."""
    return {
        f"{top}{label}/{number}.png": png(shade, mode=mode, seed=number)
        for label, shade in (("dark", 60), ("bright", 190))
        for number in range(each)
    }


def added(data: bytes) -> str:
    """Takes bytes in and returns their digest."""
    return receive_file(io.BytesIO(data), get_settings())


def added_values(data: bytes, **changes: object) -> dict[str, object]:
    """Takes bytes in and returns flat values that train on them; `changes` are knobs of the data."""
    digest = added(data)
    manifest = find_manifest(digest)
    assert manifest is not None
    return {**suggested_values(digest, manifest), **{f"data.{key}": value for key, value in changes.items()}}
