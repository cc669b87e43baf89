"""Reads an untrusted zip of images, one folder per class. Nothing is unpacked to a path that the zip names.

Every image is decoded in memory, cropped to its central square and scaled. All pixels are stored in one array.
"""

from __future__ import annotations

import io
import stat
import unicodedata
import warnings
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.data.samples import DataError, Progress, silent
from trainer.formatting import format_bytes
from trainer.lazy import lazy

if TYPE_CHECKING:
    from PIL import Image, ImageOps
else:
    Image = lazy("PIL.Image")
    ImageOps = lazy("PIL.ImageOps")

MAX_BYTES = 100_000_000
MAX_ENTRIES = 50_000
MAX_IMAGES = 20_000
MAX_IMAGE_BYTES = 20_000_000  # of one image, unpacked
MAX_PIXELS = 50_000_000  # of one image
MAX_PIXELS_TOGETHER = 1_000_000_000  # of all images: decoding them takes about a minute
MAX_UNPACKED_BYTES = 1_000_000_000  # of all files
MAX_COMPRESSION_RATIO = 200  # unpacked to packed: images hardly shrink in a zip, bombs do
MAX_CLASSES = 100
MIN_IMAGES = 20
MAX_DAMAGED_SHARE = 0.1  # of images that cannot be decoded
MAX_NAME_LENGTH = 80
MAX_SIDE = 64  # stored pixels
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"}
IGNORED_NAMES = {
    ".ds_store",
    "thumbs.db",
    "desktop.ini",
    "readme",
    "readme.txt",
    "readme.md",
    "license",
    "license.txt",
}
TRAIN_NAMES = {"train", "training", "val", "valid", "validation"}
TEST_NAMES = {"test", "testing"}


@dataclass(frozen=True)
class Entry:
    """An image in the archive, its class, and whether it belongs to the test part."""

    info: zipfile.ZipInfo
    label: str
    test: bool


def read_archive(path: Path, folder: Path, report: Progress = silent) -> dict[str, Any]:
    """Writes images, uint8 [n, channels, side, side], and targets to `folder`; returns their facts for the manifest.

    Raises DataError for an archive that is unsafe, too large, or without images by class.
    """
    if path.stat().st_size > MAX_BYTES:
        raise DataError(
            f"The zip has {format_bytes(path.stat().st_size)}; the limit is {format_bytes(MAX_BYTES)}."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            entries = choose_entries(check_entries(archive.infolist()))
            return Decoder(archive, entries, report).write(folder)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, UnicodeError) as error:
        raise DataError(f"The zip is damaged or of an unsupported kind ({error}). Create it again.") from None


def check_entries(entries: Sequence[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Returns an archive's files without those that operating systems add. Raises DataError when the archive is unsafe."""
    if len(entries) > MAX_ENTRIES:
        raise DataError(f"The zip has {len(entries):,} entries; the limit is {MAX_ENTRIES:,}.")
    if any(entry.filename in ("[Content_Types].xml", "xl/workbook.xml") for entry in entries):
        raise DataError(
            "This is an Office document, not a zip of images. Save a table as CSV in UTF-8 and upload that."
        )
    files = []
    for entry in entries:
        _refuse_unsafe(entry)
        if not entry.filename.endswith("/") and not _ignored(entry.filename):
            files.append(entry)
    unpacked = sum(entry.file_size for entry in files)
    if unpacked > MAX_UNPACKED_BYTES:
        raise DataError(
            f"The zip unpacks to {format_bytes(unpacked)}; the limit is {format_bytes(MAX_UNPACKED_BYTES)}."
        )
    return files


def _refuse_unsafe(entry: zipfile.ZipInfo) -> None:
    name = entry.filename.replace("\\", "/")
    shown = name[:MAX_NAME_LENGTH]
    if name.startswith("/") or name[1:2] == ":" or ".." in PurePosixPath(name).parts:
        raise DataError(
            f"The zip has an entry that leads out of its folder: “{shown}”. Zip the images again."
        )
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise DataError(f"The zip has a link instead of a file: “{shown}”. Zip the images themselves.")
    if entry.flag_bits & 0x1:
        raise DataError("The zip is encrypted. Create it without a password.")
    if entry.file_size > MAX_IMAGE_BYTES:
        raise DataError(
            f"“{shown}” unpacks to {format_bytes(entry.file_size)}; the limit for one file is {format_bytes(MAX_IMAGE_BYTES)}."
        )
    if entry.file_size > 1_000_000 and entry.file_size > MAX_COMPRESSION_RATIO * max(1, entry.compress_size):
        raise DataError(
            f"“{shown}” unpacks to {entry.file_size // max(1, entry.compress_size):,} times its packed size; no image does."
        )


def _ignored(name: str) -> bool:
    parts = [part.lower() for part in PurePosixPath(name.replace("\\", "/")).parts]
    return not parts or "__macosx" in parts or parts[-1] in IGNORED_NAMES or parts[-1].startswith("._")


def choose_entries(files: Sequence[zipfile.ZipInfo]) -> list[Entry]:
    """Returns each image with its class and part. Raises DataError when the images are not in one folder per class."""
    nested = next(
        (
            file.filename
            for file in files
            if file.filename.lower().endswith((".zip", ".rar", ".7z", ".tar", ".gz"))
        ),
        None,
    )
    if nested is not None:
        raise DataError(
            f"The zip holds another archive: “{nested[:MAX_NAME_LENGTH]}”. Unpack it and zip the images alone."
        )
    images = [file for file in files if PurePosixPath(file.filename).suffix.lower() in SUFFIXES]
    if not images:
        raise DataError(f"The zip holds no images. Supported types: {', '.join(sorted(SUFFIXES))}.")
    if len(images) > MAX_IMAGES:
        raise DataError(f"The zip holds {len(images):,} images; the limit is {MAX_IMAGES:,}.")
    folders = [PurePosixPath(image.filename.replace("\\", "/")).parts[:-1] for image in images]
    if all(folders) and len({path[0] for path in folders}) == 1 and all(len(path) > 1 for path in folders):
        folders = [path[1:] for path in folders]  # one folder around everything
    if all(path and path[0].lower() in TRAIN_NAMES | TEST_NAMES and len(path) > 1 for path in folders):
        tests, folders = [path[0].lower() in TEST_NAMES for path in folders], [path[1:] for path in folders]
        if all(tests):
            tests = [False] * len(tests)
    else:
        tests = [False] * len(folders)
    if stray := next(
        (image.filename for image, path in zip(images, folders, strict=True) if len(path) != 1), None
    ):
        raise DataError(
            f"“{stray[-MAX_NAME_LENGTH:]}” is not in a class folder. The zip needs one folder per class, such as "
            "cats/1.jpg and dogs/1.jpg."
        )
    return _by_class(images, [tidy_label(path[0]) for path in folders], tests)


def _by_class(images: Sequence[zipfile.ZipInfo], labels: Sequence[str], tests: Sequence[bool]) -> list[Entry]:
    for name, count in Counter(label.casefold() for label in set(labels)).items():
        if count > 1:
            raise DataError(f"Two class folders differ only in case: “{name}”. Rename one.")
    classes = len(set(labels))
    if classes < 2:
        raise DataError(
            f"All images are in one folder, “{labels[0]}”. Each class needs its own folder, and there must be at least two."
        )
    if classes > MAX_CLASSES:
        raise DataError(f"The zip has {classes:,} class folders; the limit is {MAX_CLASSES}.")
    entries = [Entry(*each) for each in zip(images, labels, tests, strict=True)]
    trained = {entry.label for entry in entries if not entry.test}
    if unseen := sorted({entry.label for entry in entries} - trained):
        raise DataError(f"The class “{unseen[0]}” has test images but no training images.")
    return sorted(entries, key=lambda entry: (entry.test, entry.label, entry.info.filename))


def tidy_label(name: str) -> str:
    """Returns a class name fit for display: one line, short, composed characters."""
    plain = "".join(
        " " if unicodedata.category(character)[0] in "CZ" else character
        for character in unicodedata.normalize("NFC", name)
    )
    return " ".join(plain.split())[:MAX_NAME_LENGTH].strip() or "unnamed"


class Decoder:
    """Decodes the chosen entries, one at a time, into arrays on disk."""

    def __init__(self, archive: zipfile.ZipFile, entries: Sequence[Entry], report: Progress) -> None:
        self.archive, self.entries, self.report = archive, entries, report
        self.damaged: list[str] = []
        self.pixels = 0  # of the images whose headers were read so far

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes the arrays and returns their facts for the manifest."""
        warnings.simplefilter("ignore")  # about truncated and odd metadata; real damage raises
        Image.MAX_IMAGE_PIXELS = None  # the limit here is lower, and checked before anything is decoded
        sides = []
        for number, entry in enumerate(self.entries, 1):
            sides.append(self._longest_side(entry))
            self.report(0.2 * number / len(self.entries))
        found = [(entry, side) for entry, side in zip(self.entries, sides, strict=True) if side]
        self._check_enough(found)
        side = min(MAX_SIDE, max(side for _, side in found))
        pixels = np.zeros((len(found), 3, side, side), np.uint8)
        whole: list[Entry] = []
        for number, (entry, _) in enumerate(found):
            if self._decode(entry, side, pixels[len(whole)]):
                whole.append(entry)
            self.report(0.2 + 0.8 * (number + 1) / len(found))
        self._check_enough([(entry, side) for entry in whole])
        pixels = pixels[: len(whole)]
        gray = bool((pixels[:, 0] == pixels[:, 1]).all() and (pixels[:, 1] == pixels[:, 2]).all())
        return self._save(folder, pixels[:, :1] if gray else pixels, whole)

    def _longest_side(self, entry: Entry) -> int:
        """Returns the longer side that the image's header claims; 0 when the header cannot be read."""
        try:
            with Image.open(io.BytesIO(self._bytes(entry)), formats=FORMATS) as image:
                width, height = image.size
        except DataError:
            raise
        except Exception:  # decoders of damaged files raise many types
            self.damaged.append(entry.info.filename)
            return 0
        if width * height > MAX_PIXELS:
            raise DataError(
                f"“{entry.info.filename[-MAX_NAME_LENGTH:]}” has {width:,} × {height:,} pixels; "
                f"the limit is {MAX_PIXELS:,} pixels."
            )
        self.pixels += width * height
        if self.pixels > MAX_PIXELS_TOGETHER:
            raise DataError(
                f"The images have more than {MAX_PIXELS_TOGETHER // 10**6:,} million pixels together, the limit. They are "
                f"stored at {MAX_SIDE}×{MAX_SIDE} pixels: scale them down before you zip them."
            )
        return max(width, height)

    def _bytes(self, entry: Entry) -> bytes:
        """Returns the entry's bytes, never more than it claims to have."""
        with self.archive.open(entry.info) as file:
            return file.read(min(entry.info.file_size, MAX_IMAGE_BYTES))

    def _decode(self, entry: Entry, side: int, out: np.ndarray) -> bool:
        """Writes the image's central square, scaled, to `out` [3, side, side]. Returns False when it is damaged."""
        try:
            with Image.open(io.BytesIO(self._bytes(entry)), formats=FORMATS) as image:
                image.draft("RGB", (2 * side, 2 * side))  # a JPEG can be decoded at a fraction of its size
                square = ImageOps.fit(
                    _as_rgb(ImageOps.exif_transpose(image)), (side, side), Image.Resampling.BOX
                )
                out[:] = np.asarray(square).transpose(2, 0, 1)
        except Exception:
            self.damaged.append(entry.info.filename)
            return False
        return True

    def _check_enough(self, found: Sequence[tuple[Entry, int]]) -> None:
        """Raises DataError when too many images are damaged, or too few are left."""
        if len(self.damaged) > MAX_DAMAGED_SHARE * len(self.entries):
            raise DataError(
                f"{len(self.damaged):,} of {len(self.entries):,} images cannot be decoded, such as "
                f"“{self.damaged[0][-MAX_NAME_LENGTH:]}”."
            )
        trained = Counter(entry.label for entry, _ in found if not entry.test)
        if sum(trained.values()) < MIN_IMAGES or len(trained) < 2:
            raise DataError(
                f"The zip holds {sum(trained.values())} training images in {len(trained)} classes; "
                f"at least {MIN_IMAGES} in two classes are needed."
            )

    def _save(self, folder: Path, pixels: np.ndarray, entries: Sequence[Entry]) -> dict[str, Any]:
        classes = sorted({entry.label for entry in entries if not entry.test})
        targets = np.array([classes.index(entry.label) for entry in entries], np.int64)
        split = sum(not entry.test for entry in entries)
        np.save(folder / "images.npy", np.ascontiguousarray(pixels), allow_pickle=False)
        np.save(folder / "targets.npy", targets, allow_pickle=False)
        notices = [
            f"{len(entries):,} images in {len(classes)} classes, stored at {pixels.shape[2]}×{pixels.shape[2]} pixels."
        ]
        if split < len(entries):
            notices.append(f"The folder of test images is the test part: {len(entries) - split:,} images.")
        if self.damaged:
            count, name = len(self.damaged), self.damaged[0][-MAX_NAME_LENGTH:]
            lost = (
                "1 image could not be decoded and was"
                if count == 1
                else f"{count:,} images could not be decoded and were"
            )
            notices.append(f"{lost} left out{', such as' if count > 1 else ':'} “{name}”.")
        return {
            "images": len(entries),
            "train": split,
            "side": int(pixels.shape[2]),
            "channels": int(pixels.shape[1]),
            "classes": classes,
            "counts": np.bincount(targets[:split], minlength=len(classes)).tolist(),
            "said": notices,
        }


def _as_rgb(image: Any) -> Any:
    """Returns the image as 8-bit RGB: transparency becomes white, 16-bit grays keep their range."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float64)
        white = 65535.0 if values.max() > 255 else 255.0
        image = Image.fromarray((values * (255 / white)).clip(0, 255).astype(np.uint8))
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, image)
    return image.convert("RGB")
