"""Curves from a run's zip, in blocks of rows: every value is one that training can give, or the file is refused."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from trainer.export.bundle import BundleError
from trainer.metrics.registry import metrics
from trainer.store import Batch

MAX_STEP = 2**31 - 2
MAX_VALUE = float(np.finfo(np.float32).max)  # training computes in float32
MAX_COLUMNS, MAX_CELLS = 4_000, 60_000_000
CELLS_AT_ONCE = 100_000  # so that memory grows with the zip's own size
LAYER_COLUMN = re.compile(r"[a-z_]{1,40}(/[\w.\-]{1,200})?")

Array = npt.NDArray[np.float64]


def read_curve(kind: str, data: bytes) -> list[Batch]:
    """Returns the points of one kind, in the order of their steps. Raises BundleError."""
    name = f"metrics/{kind}.csv"
    header = data[: data.find(b"\n") + 1 or None].decode("utf-8", "replace").strip().split(",")
    if not _fits(kind, header) or len(header) > MAX_COLUMNS or len(set(header)) != len(header):
        raise BundleError(f"{name} has columns that a run does not have: {shown(','.join(header))}.")
    if data.count(b",") + data.count(b"\n") > MAX_CELLS:  # of rows wider than the header, too
        raise BundleError(f"{name} has more than {MAX_CELLS // 10**6} million values.")
    batches, last = [], -1.0
    for rows in _blocks(name, header, data):
        _check(kind, name, header, rows)
        if (np.diff(rows[:, 0], prepend=last) <= 0).any():
            raise BundleError(f"{name} has steps that do not rise from row to row.")
        last = rows[-1, 0]
        batches.append(Batch(kind, header, rows))
    return batches


def shown(value: object) -> str:
    """A foreign value in a sentence: short, and on one line."""
    return repr(value)[:60]


def _fits(kind: str, header: list[str]) -> bool:
    """Whether a run can have these columns. Another version may not have measured all of them."""
    if known := metrics(kind):
        needed = {name for name, one in known.items() if one.always}
        return header[0] == "step" and needed <= set(header) <= known.keys()
    return header[0] == "step" and all(map(LAYER_COLUMN.fullmatch, header))


def _blocks(name: str, header: Sequence[str], data: bytes) -> Iterator[Array]:
    """Yields the rows, [rows, columns], some at a time."""
    lines = io.TextIOWrapper(io.BytesIO(data), "utf-8", "replace")
    next(lines)
    rows_at_once = max(1, CELLS_AT_ONCE // len(header))
    while block := list(itertools.islice(lines, rows_at_once)):
        filled = [line for line in block if line.strip()]
        for line in filled:
            if (width := line.count(",") + 1) != len(header):
                raise BundleError(f"{name} has rows of {width} values under {len(header)} names.")
        if filled:
            try:
                yield np.loadtxt(filled, delimiter=",", ndmin=2, comments=None)
            except (ValueError, OverflowError) as error:
                raise BundleError(
                    f"{name} holds something that is no number ({str(error)[:100]})."
                ) from error


def _check(kind: str, name: str, header: Sequence[str], rows: Array) -> None:
    """Raises BundleError for a value that no training gives."""
    known = metrics(kind)
    for column, values in zip(header, rows.T, strict=True):
        if column == "step" or (column in known and known[column].whole):
            if not ((values >= 0) & (values <= MAX_STEP) & (values == np.round(values))).all():
                raise BundleError(
                    f"{name} has values of “{column}” that are no whole numbers from 0 to {MAX_STEP:,}."
                )
        elif (np.abs(values[np.isfinite(values)]) > MAX_VALUE).any():
            raise BundleError(
                f"{name} has values of “{column[:60]}” beyond ±{MAX_VALUE:.2g}, which no training gives."
            )
