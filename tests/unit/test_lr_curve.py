"""The range test's chart shows the raw line, and the explosion at its end does not flatten it."""

import numpy as np
import pytest

from pages.widgets.lr_curve import lr_curve

RATES = np.logspace(-7, 0, 200)


def view(losses):
    return lr_curve(RATES, losses, None).layout.yaxis.range


@pytest.mark.parametrize("seed", range(5))
def test_the_raw_line_is_in_view_up_to_where_the_loss_is_lowest(seed):
    noise = np.random.default_rng(seed).normal(0, 0.35, 200)
    losses = np.abs(2.3 - 2 * np.linspace(0, 1, 200) + noise)
    low, high = view(losses)
    assert low < losses.min()
    assert losses.max() < high


def test_the_explosion_is_cut_off():
    losses = np.concatenate([np.linspace(2.3, 0.5, 150), np.geomspace(0.5, 1e6, 50)])
    low, high = view(losses)
    assert low < 0.5
    assert 2.3 < high < 5


def test_values_that_are_not_finite_do_no_harm():
    losses = np.full(200, 2.0)
    losses[150:] = np.inf
    low, high = view(losses)
    assert low <= 2 <= high
    assert view(np.full(200, np.nan)) is None
