"""From stored points to what a chart needs: thinned snapshots, and deltas by cursor.

A chart is a few hundred pixels wide, so a curve of 100,000 steps is thinned with MinMaxLTTB (Van Der Donckt
et al. 2023, https://arxiv.org/abs/2305.00332) before it leaves the server; its smallest and largest value are
kept explicitly. A series that charts smooth is also sent as bucket means: smoothing must not start from the extremes
of noise. NaN and infinity cannot be drawn on a line, but they are the most important points of a curve: they are sent
beside the line as marks and are never thinned out. A delta reads only the rows after a cursor (the last step that the
reader has), so its cost does not depend on how long the run already is.

Nothing here knows SQL, Streamlit or torch: any object with the store's `read_points` will do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

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
class Segment:
    """Curves of one run and one kind of row, covering the steps in (`after`, `to`]; `rows` were read for it."""

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
    """Returns the points for each series when `runs` runs share one page, by kind and series name."""
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
) -> Segment:
    """Returns the curves named in `points` (name → most points), whole or for the steps `x0`..`x1`.

    A range is widened by a twentieth on either side, so that lines reach the edges of a zoomed chart.
    """
    if x0 is not None and x1 is not None:
        pad = max(1, (x1 - x0) // 20)
        x0, x1 = x0 - pad, x1 + pad
    after = -1 if x0 is None else max(-1, x0 - 1)
    limit = None if x1 is None else max(0, x1 - after) + 1
    rows = source.read_points(run_id, kind, after_step=after, limit=limit)
    return _segment(run_id, kind, after, rows, points, x1)


def delta(
    source: PointSource, run_id: int, cursors: Mapping[str, int], points: int = DELTA_POINTS
) -> list[Segment]:
    """Returns what is new in one run since `cursors` (kind → step), thinned to about `points` a series; often empty."""
    found = deltas(source, {(run_id, kind): after for kind, after in cursors.items()}, points)
    return found.get(run_id, [])


def deltas(
    source: PointSource, cursors: Mapping[tuple[int, str], int], points: int = DELTA_POINTS
) -> dict[int, list[Segment]]:
    """Returns what is new in several runs since `cursors` ((run, kind) → step), by run; runs without new rows are
    omitted."""
    found: dict[int, list[Segment]] = {}
    for (run_id, kind), rows in source.read_tails(cursors).items():
        # After a pause in reading there is more to send than in one tick.
        most = min(MAX_POINTS, points * max(1, len(rows.array) // _ROWS_OF_A_TICK))
        segment = _segment(run_id, kind, cursors[run_id, kind], rows, dict.fromkeys(drawn(kind), most))
        found.setdefault(run_id, []).append(segment)
    return found


def _segment(
    run_id: int, kind: str, after: int, rows: Rows, points: dict[str, int], x1: int | None = None
) -> Segment:
    columns = list(rows.columns)
    array = rows.array
    if not len(array):
        return Segment(run_id, kind, after, after, 0, ())
    steps = array[:, columns.index("step")]
    if x1 is not None:
        inside = int(np.searchsorted(steps, x1, side="right")) + 1
        steps, array = steps[:inside], array[:inside]
    known, unmeasured = drawn(kind), _unmeasured(columns, array)
    names = [name for name in points if name in columns and name not in unmeasured]
    series = (_series(known[name], steps, array[:, columns.index(name)], points[name]) for name in names)
    return Segment(run_id, kind, after, int(steps[-1]), len(steps), tuple(one for one in series if one))


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
