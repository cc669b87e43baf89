"""Curves of many seeds as bands, and paired differences."""

import numpy as np
import pytest
from scipy import stats

from trainer.comparison.bands import MAX_POINTS, Aligned, align, band, paired


def test_a_run_that_stopped_early_keeps_its_last_value_and_one_that_trains_ends_the_band():
    curves = {0: np.array([3.0, 2.0]), 1: np.array([3.0, 2.5, 1.0, 0.5]), 2: np.array([])}
    replicates, values = align(curves, {0: True, 1: True, 2: False})
    assert replicates == [0, 1]
    assert values.tolist() == [[3, 2, 2, 2], [3, 2.5, 1, 0.5]]
    _, values = align(curves, {0: True, 1: False, 2: False})
    assert values.shape == (2, 4)
    _, values = align({0: np.arange(5.0), 1: np.arange(3.0)}, {0: False, 1: False})
    assert values.shape == (2, 3)
    assert align({0: np.array([])}, {0: False})[0] == []


def test_the_mean_has_students_interval():
    values = np.random.default_rng(0).normal(size=(6, 4))
    found = band(values)
    for column in range(4):
        low, high = stats.t.interval(0.95, 5, values[:, column].mean(), stats.sem(values[:, column]))
        assert found.low[column] == pytest.approx(low)
        assert found.high[column] == pytest.approx(high)
    assert found.x.tolist() == [1, 2, 3, 4]


def test_one_seed_has_a_line_without_a_band():
    found = band(np.array([[1.0, 2.0]]))
    assert found.middle.tolist() == [1, 2]
    assert np.isnan(found.low).all()


def test_the_range_is_lowest_to_highest():
    found = band(np.array([[1.0, 5.0], [3.0, np.nan], [2.0, np.inf]]), "range")
    assert found.low.tolist() == [1, 5]
    assert found.high.tolist() == [3, 5]
    assert found.middle.tolist() == [2, 5]


def test_differences_pair_the_replicates_that_both_arms_have():
    first = Aligned([0, 1, 2], np.array([[1.0, 1, 1], [2, 2, 2], [3, 3, 3]]))
    second = Aligned([2, 0], np.array([[3.5, 3.5], [0.0, 0.5]]))
    assert paired(first, second).tolist() == [[-1, -0.5], [0.5, 0.5]]
    assert paired(first, Aligned([], np.empty((0, 0)))).shape == (0, 0)


def test_long_curves_are_thinned_and_keep_their_ends():
    found = band(np.arange(20_000.0).reshape(2, 10_000))
    assert len(found.x) <= MAX_POINTS
    assert (found.x[0], found.x[-1]) == (1, 10_000)
