"""Curves on their way to a chart: thinned with care, never without their extremes, and by cursor."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.curves import deltas as live
from trainer.curves.messages import decode, encode
from trainer.curves.thinning import thin
from trainer.metrics.registry import columns
from trainer.store import Batch, Points, Store

STEP_COLUMNS, EPOCH_COLUMNS = columns("step"), columns("epoch")


@dataclass
class Memory:
    """A point source that counts what is read from it."""

    rows: dict[tuple[int, str], Points]
    read: list[int] = field(default_factory=list)

    def read_points(self, run_id: int, kind: str, after_step: int = -1, limit: int | None = None) -> Points:
        known = self.rows.get((run_id, kind))
        if known is None:
            return Points(("step",), np.empty((0, 1)))
        found = known.array[known.column("step") > after_step][:limit]
        self.read.append(len(found))
        return Points(known.columns, found)

    def read_tails(self, cursors):
        found = {key: self.read_points(*key, after) for key, after in cursors.items()}
        return {key: points for key, points in found.items() if len(points)}


def steps_of(loss: np.ndarray) -> Points:
    step = np.arange(len(loss), dtype=float)
    return Points(("step", "seconds", "loss"), np.c_[step, step / 100, loss])


def memory(loss: np.ndarray) -> Memory:
    return Memory({(1, "step"): steps_of(loss)})


def by_name(segment: live.Segment) -> dict[str, live.Series]:
    return {series.name: series for series in segment.series}


def test_a_short_curve_is_not_thinned():
    segment = live.snapshot(memory(np.array([3.0, 2.0, 1.0])), 1, "step", {"loss": 100})
    assert by_name(segment)["loss"].steps.tolist() == [0, 1, 2]
    assert by_name(segment)["loss"].values.tolist() == [3, 2, 1]
    assert (segment.after, segment.to, segment.rows) == (-1, 2, 3)


def test_a_run_without_points_gives_an_empty_segment():
    segment = live.snapshot(Memory({}), 7, "step", {"loss": 10})
    assert (segment.series, segment.to) == ((), -1)
    assert live.delta(Memory({}), 7, {"step": -1, "epoch": -1}) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(30, 400), st.integers(500, 5000))
def test_thinning_keeps_ends_and_extremes_within_budget(seed, points, length):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal(length)
    y[rng.integers(length)] = 50.0
    y[rng.integers(length)] = -50.0
    kept = thin(np.arange(length, dtype=float), y, points)
    assert len(kept) <= points
    assert {0, length - 1, int(np.argmin(y)), int(np.argmax(y))} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()


@pytest.mark.parametrize("points", [1, 2, 3, 4, 5])
def test_a_tiny_budget_still_shows_ends(points):
    kept = thin(np.arange(50.0), np.sin(np.arange(50.0)), points)
    assert kept[0] == 0
    assert kept[-1] == 49


def test_non_finite_values_are_marks_and_are_never_thinned_away():
    loss = np.random.default_rng(0).random(100_000)
    loss[[10, 500]] = np.nan
    loss[700:703] = np.inf
    loss[99_999] = -np.inf
    series = by_name(live.snapshot(memory(loss), 1, "step", {"loss": 200}))["loss"]
    assert np.isfinite(series.values).all()
    assert [(m.first, m.last, m.count, m.what) for m in series.marks] == [
        (10, 10, 1, "nan"),
        (500, 500, 1, "nan"),
        (700, 702, 3, "inf"),
        (99_999, 99_999, 1, "-inf"),
    ]


def test_many_marks_are_joined_but_each_row_is_counted():
    loss = np.ones(20_000)
    loss[::2] = np.nan
    series = by_name(live.snapshot(memory(loss), 1, "step", {"loss": 200}))["loss"]
    assert len(series.marks) <= live.MAX_MARKS
    assert sum(mark.count for mark in series.marks) == 10_000
    assert (series.marks[0].first, series.marks[-1].last) == (0, 19_998)


def test_a_value_beyond_float32_is_marked_as_infinite():
    series = by_name(live.snapshot(memory(np.array([1.0, 1e300])), 1, "step", {"loss": 10}))["loss"]
    assert series.marks == (live.Mark(1, 1, 1, "inf"),)


def test_a_run_without_validation_is_not_said_to_have_diverged():
    columns = ("step", "train_loss", "val_loss", "val_metric")
    rows = np.array([[9, 0.5, np.nan, np.nan], [19, 0.4, np.nan, np.nan]])
    segment = live.snapshot(
        Memory({(1, "epoch"): Points(columns, rows)}), 1, "epoch", live.budget(1)["epoch"]
    )
    assert set(by_name(segment)) == {"train_loss"}
    rows[1, 1] = np.nan  # training diverged: now the validation's NaN is news
    segment = live.snapshot(
        Memory({(1, "epoch"): Points(columns, rows)}), 1, "epoch", live.budget(1)["epoch"]
    )
    assert by_name(segment)["val_loss"].marks


def test_a_delta_reads_only_what_is_new():
    source = memory(np.random.default_rng(0).random(100_000))
    (segment,) = live.delta(source, 1, {"step": 99_989, "epoch": -1})
    assert (segment.after, segment.to, segment.rows) == (99_989, 99_999, 10)
    assert source.read == [10]


def test_a_delta_is_bounded_and_keeps_extremes():
    loss = np.random.default_rng(0).random(900)
    loss[450] = 99.0
    (segment,) = live.delta(memory(loss), 1, {"step": -1, "epoch": -1})
    series = by_name(segment)["loss"]
    assert len(series.values) <= live.DELTA_POINTS
    assert 99.0 in series.values


def test_snapshot_and_deltas_join_without_gap_or_overlap():
    source = memory(np.arange(1000.0))
    first = live.snapshot(Memory({(1, "step"): steps_of(np.arange(600.0))}), 1, "step", {"loss": 2000})
    (rest,) = live.delta(source, 1, {"step": first.to}, points=2000)
    steps = np.r_[by_name(first)["loss"].steps, by_name(rest)["loss"].steps]
    assert steps.tolist() == list(range(1000))


def test_a_range_gives_back_the_detail():
    source = memory(np.random.default_rng(0).random(100_000))
    segment = live.snapshot(source, 1, "step", {"loss": 2000}, 50_000, 51_000)
    series = by_name(segment)["loss"]
    assert series.steps[0] <= 50_000
    assert 51_000 <= series.steps[-1] <= 51_060
    assert len(series.steps) > 1000
    assert source.read[-1] < 1200


def test_the_budget_is_shared():
    for runs in (1, 2, 5, 20):
        points = sum(most for names in live.budget(runs).values() for most in names.values())
        assert points * runs <= live.TOTAL_POINTS
    assert live.budget(1)["step"]["loss"] == live.MAX_POINTS
    assert min(live.budget(500)["epoch"].values()) == live.MIN_POINTS


def smoothed(steps: np.ndarray, values: np.ndarray, spans: np.ndarray, constant: float) -> np.ndarray:
    """What the browser's Smoother makes of points or means."""
    total = weight = 0.0
    found = []
    for gap, value, span in zip(np.diff(steps, prepend=steps[0] - spans[0]), values, spans, strict=True):
        keep, share = np.exp(-gap / constant), 1 - np.exp(-min(span, gap) / constant)
        total, weight = total * keep + value * share, weight * keep + share
        found.append(total / weight)
    return np.array(found)


def level(segments: list[live.Segment], name: str = "loss") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps, values and spans that smoothing starts from."""
    parts = []
    for series in (by_name(segment)[name] for segment in segments):
        if series.means is None:
            parts.append((series.steps, series.values, np.ones(len(series.steps))))
        else:
            ends = series.means.ends
            parts.append((ends, series.means.values, np.diff(ends, prepend=series.means.first - 1)))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def skewed(length: int) -> np.ndarray:
    rng = np.random.default_rng(4)
    return 1 + 2 * np.exp(-np.arange(length) / (length / 5)) + rng.exponential(0.5, length)


def test_means_are_the_true_means_of_finite_values():
    loss = skewed(10_007)
    loss[[5, 6, 3000]] = np.nan, np.inf, -np.inf
    loss[4_000:4_200] = np.nan
    means = by_name(live.snapshot(memory(loss), 1, "step", {"loss": 100}))["loss"].means
    assert (means.first, means.last, means.width) == (0, 10_006, 101)
    assert (len(means.values), means.ends[-1]) == (100, 10_006)
    for i, mean in enumerate(means.values):
        bucket = loss[101 * i : 101 * (i + 1)]
        finite = bucket[np.isfinite(bucket)]
        assert np.isnan(mean) if not len(finite) else mean == pytest.approx(finite.mean(), rel=1e-6)
    assert np.isnan(means.values).sum() == 1


def test_only_what_was_thinned_and_is_smoothed_carries_means():
    segment = live.snapshot(memory(skewed(1000)), 1, "step", {"loss": 2000, "seconds": 100})
    assert all(series.means is None for series in segment.series)
    assert by_name(live.snapshot(memory(skewed(1000)), 1, "step", {"loss": 999}))["loss"].means


@pytest.mark.parametrize("runs", [1, 20])
def test_smoothing_a_thinned_run_is_smoothing_all_of_it(runs):
    """With the panel's usual smoothing, time constant 0.6 / 0.4 five-hundredths of the run."""
    loss, constant = skewed(50_000), 150.0
    truth = smoothed(np.arange(50_000), loss, np.ones(50_000), constant)
    segment = live.snapshot(memory(loss), 1, "step", live.budget(runs)["step"])
    steps, values, spans = level([segment])
    error = smoothed(steps, values, spans, constant) - truth[steps.astype(int)]
    assert np.sqrt((error**2).mean()) < 0.02 * 0.5  # the noise's own deviation is 0.5
    assert abs(error.mean()) < 0.002
    kept = by_name(segment)["loss"]
    old = smoothed(kept.steps, kept.values, np.diff(kept.steps, prepend=-1), constant) - truth[kept.steps]
    assert np.sqrt((old**2).mean()) > 10 * np.sqrt((error**2).mean())


def test_live_and_reloaded_lines_agree():
    loss, constant = skewed(50_000), 150.0
    source = memory(loss)
    ticks = [
        live.delta(Memory({(1, "step"): steps_of(loss[: at + 50])}), 1, {"step": at - 1})[0]
        for at in range(0, 50_000, 50)
    ]
    reloaded = level([live.snapshot(source, 1, "step", live.budget(1)["step"])])
    followed = level(ticks)
    there, here = smoothed(*reloaded, constant), smoothed(*followed, constant)
    joined = np.interp(reloaded[0], followed[0], here)
    assert np.abs(there - joined)[100:].max() < 0.1 * 0.5
    assert np.sqrt(((there - joined) ** 2).mean()) < 0.02 * 0.5


def test_messages_come_back_as_they_were_sent():
    loss = np.random.default_rng(0).random(300)
    loss[3] = np.nan
    segments = [
        live.snapshot(memory(loss), 1, "step", {"loss": 50, "seconds": 10}),
        live.Segment(2, "epoch", -1, -1, 0, ()),
    ]
    message = encode(segments, "range", id=5)
    header, back = decode(message)
    assert (header["t"], header["id"]) == ("range", 5)
    assert (4 + int.from_bytes(message[:4], "little")) % 4 == 0
    assert [(f.run, f.kind, f.after, f.to) for f in back] == [
        (f.run, f.kind, f.after, f.to) for f in segments
    ]
    for sent, got in zip(segments[0].series, back[0].series, strict=True):
        np.testing.assert_array_equal(sent.steps, got.steps)
        np.testing.assert_array_equal(sent.values, got.values)
        assert sent.marks == got.marks
        assert (sent.means is None) == (got.means is None)
        if sent.means:
            np.testing.assert_array_equal(sent.means.values, got.means.values)
            assert sent.means.ends.tolist() == got.means.ends.tolist()
    assert segments[0].series[0].means


def test_with_the_real_store(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'a.db'}")
    run = store.create_run({}, "me")
    attempt = store.claim(run)
    rows = np.zeros((5, len(STEP_COLUMNS)))
    rows[:, 0] = np.arange(5)
    epoch = np.ones((1, len(EPOCH_COLUMNS)))
    store.record(run, attempt, [Batch("step", STEP_COLUMNS, rows), Batch("epoch", EPOCH_COLUMNS, epoch)])
    assert live.snapshot(store, run, "step", live.budget(1)["step"]).to == 4
    segments = live.delta(store, run, {"step": 2, "epoch": -1})
    assert {(f.kind, f.after, f.to) for f in segments} == {("step", 2, 4), ("epoch", -1, 1)}
    store.close()
