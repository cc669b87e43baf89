"""Segments of curves as one message of `packing.py`, and back.

The header is `{t, …, segments: [{run, kind, after, to, rows, series: [{name, n, marks?, means?}]}]}`. Three arrays hold the
points of all series in header order: `steps` (i4) and `values` (f4), `n` of each a series, and `means` (f4), the bucket
means of those with `means: [number, first step, last step, width]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.curves.deltas import Mark, Segment, Series
from trainer.curves.packing import Array, pack, unpack
from trainer.curves.thinning import Means


def encode(segments: Iterable[Segment], type_: str, **extra: Any) -> bytes:
    """Returns the message; `type_` becomes its `t`, and `extra` goes into the header."""
    segments = list(segments)
    series = [one for segment in segments for one in segment.series]
    arrays = {
        "steps": _joined([one.steps for one in series], np.int32),
        "values": _joined([one.values for one in series], np.float32),
        "means": _joined([one.means.values for one in series if one.means], np.float32),
    }
    return pack({"t": type_, **extra, "segments": [_describe(segment) for segment in segments]}, arrays)


def _joined(arrays: Sequence[Array], dtype: npt.DTypeLike) -> Array:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype)


def _describe(segment: Segment) -> dict[str, Any]:
    return {
        "run": segment.run,
        "kind": segment.kind,
        "after": segment.after,
        "to": segment.to,
        "rows": segment.rows,
        "series": [_describe_series(series) for series in segment.series],
    }


def _describe_series(series: Series) -> dict[str, Any]:
    described: dict[str, Any] = {"name": series.name, "n": len(series.steps)}
    if series.marks:
        described["marks"] = [[mark.first, mark.last, mark.count, mark.what] for mark in series.marks]
    if series.means:
        means = series.means
        described["means"] = [len(means.values), means.first, means.last, means.width]
    return described


def decode(message: bytes) -> tuple[dict[str, Any], list[Segment]]:
    """Returns header and segments: the inverse of `encode`, for clients in Python."""
    header, arrays = unpack(message)
    items = [item for segment in header["segments"] for item in segment["series"]]
    points = np.cumsum([item["n"] for item in items])
    buckets = np.cumsum([item.get("means", (0,))[0] for item in items])
    # Each split leaves a tail behind the last series.
    pieces = (
        np.split(arrays[name], at) for name, at in (("steps", points), ("values", points), ("means", buckets))
    )
    series = (_read_series(*parts) for parts in zip(items, *pieces, strict=False))
    return header, [
        _read_segment(segment, [next(series) for _ in segment["series"]]) for segment in header["segments"]
    ]


def _read_series(item: dict[str, Any], steps: Array, values: Array, level: Array) -> Series:
    means = None
    if "means" in item:
        _, first, last, width = item["means"]
        means = Means(first, last, width, level)
    return Series(item["name"], steps, values, tuple(Mark(*mark) for mark in item.get("marks", ())), means)


def _read_segment(segment: dict[str, Any], series: Sequence[Series]) -> Segment:
    return Segment(
        segment["run"], segment["kind"], segment["after"], segment["to"], segment["rows"], tuple(series)
    )
