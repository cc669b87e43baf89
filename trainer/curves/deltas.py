"""From stored points to what a chart needs: thinned snapshots, and deltas by cursor.

A chart is a few hundred pixels wide, so a curve of 100,000 steps is thinned with MinMaxLTTB (Van Der Donckt
et al. 2023, https://arxiv.org/abs/2305.00332) before it leaves the server; its smallest and largest value are
kept by name. A series that charts smooth is then sent as bucket means, too: what is smoothed must not start from
the extremes of noise. NaN and infinity cannot be drawn on a line, but they are the most important thing that a curve
has to say: they travel beside the line as marks and are never thinned away. A delta reads only the rows after
a cursor (the last step that the reader has), so its cost does not depend on how long the run already is.

Nothing here knows SQL, Streamlit or torch: any object with the store's `read_points` will do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import orjson

from trainer.curves.thinning import Floats, Means, bucket_means, thin
from trainer.metrics.registry import KINDS, Metric, metrics

TOTAL_POINTS: Final = 34_000  # 8 bytes each: all the curves of one page stay below 300 kB
POINT_AND_MEAN: Final = 1.5  # a mean takes half of a point's bytes, as its step is known
MAX_POINTS: Final = 2_000  # of one series: two for each pixel of a wide chart
MIN_POINTS: Final = 24
DELTA_POINTS: Final = 32  # of one series in one tick
MAX_MARKS: Final = 256
_ROWS_OF_A_TICK: Final = 1_000


class Rows(Protocol):
    """What `read_points` returns: column names and rows `[n, columns]`, ordered by step."""

    @property
    def columns(self) -> Sequence[str]: ...
    @property
    def array(self) -> Floats: ...


class PointSource(Protocol):
    """The part of the store that charts read."""

    def read_points(self, run_id: int, kind: str, after_step: int = -1, limit: int | None = None) -> Any:
        """Rows of one kind with a step greater than `after_step`, oldest first (a `Rows`)."""

    def read_tails(self, cursors: Mapping[tuple[int, str], int]) -> Mapping[tuple[int, str], Any]:
        """The same for many {(run, kind): after_step} at once; only those with news."""


@dataclass(frozen=True)
class Mark:
    """Rows `first`..`last` of a series that hold no finite number; `what` is "nan", "inf", "-inf" or
    "mixed"."""

    first: int
    last: int
    count: int
    what: str


@dataclass(frozen=True)
class Series:
    """One curve: `steps` (int32) and `values` (float32) of its finite points, the marks beside them, and bucket
    means where points were left out of a series that charts smooth."""

    name: str
    steps: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]
    marks: tuple[Mark, ...] = ()
    means: Means | None = None


@dataclass(frozen=True)
class Frame:
    """Curves of one run and one kind of row, covering the steps in (`after`, `to`]; `rows` were read for
    it."""

    run: int
    kind: str
    after: int
    to: int
    rows: int
    series: tuple[Series, ...]


def drawn(kind: str) -> dict[str, Metric]:
    """The metrics of a kind that charts need, by name."""
    return {name: one for name, one in metrics(kind).items() if one.share}


def budget(runs: int, total: int = TOTAL_POINTS) -> dict[str, dict[str, int]]:
    """Points for each series when `runs` runs share one page, by kind and series name."""
    series = {kind: drawn(kind) for kind in KINDS}
    cost = sum(
        one.share * (POINT_AND_MEAN if one.smoothed else 1.0)
        for named in series.values()
        for one in named.values()
    )
    unit = total / (max(1, runs) * cost)
    return {
        kind: {name: int(min(MAX_POINTS, max(MIN_POINTS, unit * one.share))) for name, one in named.items()}
        for kind, named in series.items()
    }


def snapshot(
    source: PointSource,
    run_id: int,
    kind: str,
    points: dict[str, int],
    x0: int | None = None,
    x1: int | None = None,
) -> Frame:
    """The curves named in `points` (name → most points), whole or for the steps `x0`..`x1`.

    A range is widened by a twentieth on either side, so that lines run to the edge of a zoomed chart.
    """
    if x0 is not None and x1 is not None:
        pad = max(1, (x1 - x0) // 20)
        x0, x1 = x0 - pad, x1 + pad
    after = -1 if x0 is None else max(-1, x0 - 1)
    limit = None if x1 is None else max(0, x1 - after) + 1
    rows = source.read_points(run_id, kind, after_step=after, limit=limit)
    return _frame(run_id, kind, after, rows, points, x1)


def delta(
    source: PointSource, run_id: int, cursors: Mapping[str, int], points: int = DELTA_POINTS
) -> list[Frame]:
    """What is new in one run since `cursors` (kind → step), thinned to about `points` a series; often
    empty."""
    found = deltas(source, {(run_id, kind): after for kind, after in cursors.items()}, points)
    return found.get(run_id, [])


def deltas(
    source: PointSource, cursors: Mapping[tuple[int, str], int], points: int = DELTA_POINTS
) -> dict[int, list[Frame]]:
    """What is new in several runs since `cursors` ((run, kind) → step), by run; runs without news are left
    out."""
    found: dict[int, list[Frame]] = {}
    for (run_id, kind), rows in source.read_tails(cursors).items():
        # After a pause in reading there is more to tell than in one tick.
        most = min(MAX_POINTS, points * max(1, len(rows.array) // _ROWS_OF_A_TICK))
        frame = _frame(run_id, kind, cursors[run_id, kind], rows, dict.fromkeys(drawn(kind), most))
        found.setdefault(run_id, []).append(frame)
    return found


def _frame(
    run_id: int, kind: str, after: int, rows: Rows, points: dict[str, int], x1: int | None = None
) -> Frame:
    columns = list(rows.columns)
    array = rows.array
    if not len(array):
        return Frame(run_id, kind, after, after, 0, ())
    steps = array[:, columns.index("step")]
    if x1 is not None:
        inside = int(np.searchsorted(steps, x1, side="right")) + 1
        steps, array = steps[:inside], array[:inside]
    known, unmeasured = drawn(kind), _unmeasured(columns, array)
    names = [name for name in points if name in columns and name not in unmeasured]
    series = (_series(known[name], steps, array[:, columns.index(name)], points[name]) for name in names)
    return Frame(run_id, kind, after, int(steps[-1]), len(steps), tuple(one for one in series if one))


def _unmeasured(columns: list[str], array: Floats) -> frozenset[str]:
    """Validation columns of a run without a validation set: NaN there says "not measured", not "diverged"."""
    measured = [columns.index(name) for name in ("val_loss", "val_metric") if name in columns]
    if not measured or "train_loss" not in columns or not np.isnan(array[:, measured]).all():
        return frozenset()
    healthy = bool(np.isfinite(array[:, columns.index("train_loss")]).all())
    return frozenset(("val_loss", "val_metric")) if healthy else frozenset()


def _series(metric: Metric, steps: Floats, values: Floats, points: int) -> Series | None:
    """One thinned curve, or None where nothing was measured; a value beyond float32 counts as infinite, since that is
    what the browser would get."""
    if not metric.always:
        measured = ~np.isnan(values)
        steps, values = steps[measured], values[measured]
    if not len(steps):
        return None
    with np.errstate(over="ignore"):
        small = values.astype(np.float32)
    finite = np.isfinite(small)
    marks = () if finite.all() else _marks(steps[~finite], small[~finite], np.flatnonzero(~finite))
    first, last = int(steps[0]), int(steps[-1])
    steps, values, small = steps[finite], values[finite], small[finite]
    keep = thin(steps, values, points)
    thinned = len(keep) < len(steps) and metric.smoothed
    means = bucket_means(first, last, steps, values, points) if thinned else None
    return Series(metric.name, steps[keep].astype(np.int32), small[keep], marks, means)


def _marks(steps: Floats, values: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]) -> tuple[Mark, ...]:
    """Non-finite rows, neighbours of one kind joined; beyond `MAX_MARKS` neighbours of any kind are joined
    too."""
    code = np.where(np.isnan(values), 0, np.where(values > 0, 1, 2))
    starts = np.flatnonzero(np.r_[True, (np.diff(code) != 0) | (np.diff(rows) != 1)])
    if len(starts) > MAX_MARKS:
        starts = starts[np.linspace(0, len(starts), MAX_MARKS, endpoint=False).astype(int)]
    ends = np.r_[starts[1:], len(steps)]
    return tuple(_mark(steps[a:b], code[a:b]) for a, b in zip(starts, ends, strict=True))


def _mark(steps: Floats, code: npt.NDArray[np.int64]) -> Mark:
    same = bool((code == code[0]).all())
    what = ("nan", "inf", "-inf")[int(code[0])] if same else "mixed"
    return Mark(int(steps[0]), int(steps[-1]), len(steps), what)


def encode(frames: Iterable[Frame], type_: str, **extra: Any) -> bytes:
    """One binary message: header length (uint32, little-endian), header (JSON), then the arrays.

    The header is padded with spaces to a multiple of four bytes, so that a browser can lay typed arrays over
    the message without copying. For each series of each frame, in header order: `n` int32 steps, then `n`
    float32 values. After all of these, in the same order: the float32 bucket means of each series with `means`.
    """
    frames = list(frames)
    header = orjson.dumps({"t": type_, **extra, "frames": [_describe(frame) for frame in frames]})
    header += b" " * (-len(header) % 4)
    parts = [len(header).to_bytes(4, "little"), header]
    for frame in frames:
        for series in frame.series:
            parts.append(series.steps.astype("<i4", copy=False).tobytes())
            parts.append(series.values.astype("<f4", copy=False).tobytes())
    # Last, so that a page from before there were means still finds its points.
    means = [series.means for frame in frames for series in frame.series if series.means]
    parts.extend(one.values.astype("<f4", copy=False).tobytes() for one in means)
    return b"".join(parts)


def _describe(frame: Frame) -> dict[str, Any]:
    return {
        "run": frame.run,
        "kind": frame.kind,
        "after": frame.after,
        "to": frame.to,
        "rows": frame.rows,
        "series": [_describe_series(series) for series in frame.series],
    }


def _describe_series(series: Series) -> dict[str, Any]:
    described: dict[str, Any] = {"name": series.name, "n": len(series.steps)}
    if series.marks:
        described["marks"] = [[mark.first, mark.last, mark.count, mark.what] for mark in series.marks]
    if series.means:
        means = series.means
        described["means"] = [len(means.values), means.first, means.last, means.width]
    return described


def decode(message: bytes) -> tuple[dict[str, Any], list[Frame]]:
    """The inverse of `encode`, for clients and tests in Python."""
    size = int.from_bytes(message[:4], "little")
    header = orjson.loads(message[4 : 4 + size])
    items = [item for frame in header["frames"] for item in frame["series"]]
    at = 4 + size
    after = at + sum(8 * item["n"] for item in items)
    curves = []
    for item in items:
        curves.append(_read_series(message, at, after, item))
        at += 8 * item["n"]
        after += 4 * item.get("means", (0,))[0]
    left = iter(curves)
    return header, [_read_frame(frame, left) for frame in header["frames"]]


def _read_series(message: bytes, at: int, after: int, item: dict[str, Any]) -> Series:
    """The series with points at byte `at` and means at byte `after`."""
    n, means = item["n"], None
    if "means" in item:
        number, first, last, width = item["means"]
        means = Means(first, last, width, np.frombuffer(message, "<f4", number, after))
    steps = np.frombuffer(message, "<i4", n, at)
    values = np.frombuffer(message, "<f4", n, at + 4 * n)
    return Series(item["name"], steps, values, tuple(Mark(*mark) for mark in item.get("marks", ())), means)


def _read_frame(frame: dict[str, Any], curves: Iterator[Series]) -> Frame:
    """A frame of the header with the next of `curves`."""
    own = tuple(next(curves) for _ in frame["series"])
    return Frame(frame["run"], frame["kind"], frame["after"], frame["to"], frame["rows"], own)
