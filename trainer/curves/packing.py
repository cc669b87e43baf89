"""Arrays with a description in one binary message, for a browser to lay typed arrays over without copying.

A uint32 (little-endian) with the header's length; the header, JSON padded with spaces to a multiple of 4; then the arrays in
the order of the header's `arrays: [[name, type, shape], …]`, each padded with zeros to a multiple of 4 bytes. Types are
`u1`, `i4` and `f4`, little-endian. In the header what is not finite becomes null; in arrays it stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

Array = NDArray[Any]
TYPES = {kind: np.dtype(f"<{kind}") for kind in ("u1", "i4", "f4")}


def pack(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """Returns the message. An array of another type is sent as float32."""
    described, parts = [], []
    for name, array in arrays.items():
        kind = type_of(array)
        described.append((name, kind, array.shape))
        parts.append(padded(array.astype(TYPES[kind], copy=False).tobytes(), b"\0"))
    text = padded(orjson.dumps({**header, "arrays": described}), b" ")
    return b"".join((len(text).to_bytes(4, "little"), text, *parts))


def unpack(message: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """Returns header and arrays by name: the inverse of `pack`."""
    size = int.from_bytes(message[:4], "little")
    header = orjson.loads(message[4 : 4 + size])
    arrays, at = {}, 4 + size
    for name, kind, shape in header.pop("arrays"):
        count = int(np.prod(shape, dtype=int))
        arrays[name] = np.frombuffer(message, TYPES[kind], count, at).reshape(shape)
        at += -(-arrays[name].nbytes // 4) * 4
    return header, arrays


def type_of(array: Array) -> str:
    """Returns how an array travels."""
    if array.dtype == np.uint8:
        return "u1"
    return "i4" if array.dtype.kind in "iub" else "f4"


def padded(data: bytes, filler: bytes) -> bytes:
    """Returns the bytes, filled up to a multiple of four."""
    return data + filler * (-len(data) % 4)
