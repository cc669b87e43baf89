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
TYPES = {"u1": "u1", "i4": "<i4", "f4": "<f4"}


def pack(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """The message. An array of another type is sent as float32."""
    known = {
        name: np.asarray(array, dtype=TYPES[type_of(array)], order="C") for name, array in arrays.items()
    }
    described = [[name, type_of(array), list(array.shape)] for name, array in known.items()]
    text = orjson.dumps({**header, "arrays": described})
    parts = [padded(text, b" ")]
    parts.extend(padded(array.tobytes(), b"\0") for array in known.values())
    return len(parts[0]).to_bytes(4, "little") + b"".join(parts)


def unpack(message: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """The inverse of `pack`: header and arrays by name."""
    size = int.from_bytes(message[:4], "little")
    header = orjson.loads(message[4 : 4 + size])
    arrays, at = {}, 4 + size
    for name, kind, shape in header.pop("arrays"):
        count = int(np.prod(shape, dtype=int))
        arrays[name] = np.frombuffer(message, TYPES[kind], count, at).reshape(shape)
        at += -(-arrays[name].nbytes // 4) * 4
    return header, arrays


def type_of(array: Array) -> str:
    """How an array travels."""
    if array.dtype == np.uint8:
        return "u1"
    return "i4" if array.dtype.kind in "iub" else "f4"


def padded(data: bytes, filler: bytes) -> bytes:
    """The bytes, up to a multiple of four."""
    return data + filler * (-len(data) % 4)
