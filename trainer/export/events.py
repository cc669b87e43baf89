"""Curves as a TensorBoard event file.

Written here in a few lines, because the packages that do it import torch or weigh a dozen megabytes. The file is a row of
records (length, its checksum, an `Event` in protocol buffers, its checksum); source: tensorflow/core/util/event.proto and
tensorflow/core/lib/io/record_writer.cc.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from trainer.metrics.registry import metrics
from trainer.store import Points

CASTAGNOLI = 0x82F63B78  # the polynomial of CRC-32C, its bits reversed


def event_file(curves: Iterable[tuple[str, Points]], began: float) -> bytes:
    """One file with every column of every curve as `group/column`; `began` is the run's start in seconds since 1970."""
    events = [event(began, 0, b"\x1a\x0dbrain.Event:2")]
    for group, points in curves:
        axes = {name for name, one in metrics(group).items() if one.axis}
        names = [name for name in points.columns if name not in axes]
        places = [points.columns.index(name) for name in names]
        tags = [f"{group}/{name}" for name in names]
        step, seconds = points.columns.index("step"), points.columns.index("seconds")
        for row in points.array.tolist():
            values = [row[place] for place in places]
            events.append(event(began + row[seconds], int(row[step]), summary(tags, values)))
    return b"".join(records(events))


def event(wall_time: float, step: int, what: bytes) -> bytes:
    """An `Event`: wall_time = 1 (double), step = 2 (int64), and one of what may follow."""
    return b"\x09" + struct.pack("<d", wall_time) + b"\x10" + varint(step) + what


def summary(tags: Sequence[str], values: Sequence[float]) -> bytes:
    """Field 5 of an `Event`: scalars by tag. What was not measured is left out."""
    parts = []
    for tag, value in zip(tags, values, strict=True):
        if not math.isnan(value):
            name = tag.encode()
            body = b"\x0a" + varint(len(name)) + name + b"\x15" + as_float(value)
            parts.append(b"\x0a" + varint(len(body)) + body)
    whole = b"".join(parts)
    return b"\x2a" + varint(len(whole)) + whole


def as_float(value: float) -> bytes:
    """A number in 32 bits; one that is too large for them is infinite."""
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", math.copysign(math.inf, value))


def varint(value: int) -> bytes:
    """A whole number in groups of seven bits, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def records(events: Sequence[bytes]) -> Iterator[bytes]:
    """Each event with its length and both checksums, masked as TensorFlow does."""
    lengths = [struct.pack("<Q", len(one)) for one in events]
    for length, first, body, second in zip(
        lengths, checksums(lengths), events, checksums(events), strict=True
    ):
        yield length + struct.pack("<I", first) + body + struct.pack("<I", second)


def checksums(texts: Sequence[bytes]) -> list[int]:
    """The masked CRC-32C of each text; texts of one length are computed together."""
    found = [0] * len(texts)
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    for _, group in groupby(order, key=lambda index: len(texts[index])):
        members = list(group)
        rows = np.frombuffer(b"".join(texts[index] for index in members), np.uint8).reshape(len(members), -1)
        crc = crc32c(rows).astype(np.uint64)
        masked = ((crc >> np.uint64(15) | crc << np.uint64(17)) + np.uint64(0xA282EAD8)) & np.uint64(
            0xFFFFFFFF
        )
        for index, value in zip(members, masked.tolist(), strict=True):
            found[index] = value
    return found


def crc32c(rows: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """CRC-32C (RFC 3720) of each row of bytes [n, length] → [n]."""
    crc = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in rows.T:
        crc = _TABLE[(crc ^ column) & 0xFF] ^ (crc >> np.uint32(8))
    return crc ^ np.uint32(0xFFFFFFFF)


def _table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(CASTAGNOLI), table >> 1).astype(np.uint32)
    return table


_TABLE = _table()
