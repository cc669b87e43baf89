"""The range test ends where it should, touches nothing else, and suggests rates that lie on the slope."""

import math
from itertools import pairwise

import numpy as np
import pytest
from engine_runs import STOP, Log, exact, go, small

from trainer.config import ConfigError, RunConfig
from trainer.engine.lr_finder import WORSE, finder_config, longest_fall, smoothed, suggest, train_range_test
from trainer.registry import find


def run(config, tmp_path, control=lambda: None):
    log = Log()
    results = train_range_test(
        config, recorder=log, control=control, data_folder=tmp_path, run_folder=tmp_path / "run"
    )
    return results, log


def test_the_rate_grows_by_one_factor_from_end_to_end(tmp_path):
    _, log = run(finder_config(small(), 1e-6, 1e-2, 50), tmp_path)
    rates = np.array(log.column("lr"))
    assert rates[0] == pytest.approx(1e-6)
    assert rates[-1] == pytest.approx(1e-2)
    assert np.diff(np.log(rates)) == pytest.approx(np.full(49, math.log(1e4) / 49))


def test_it_ends_soon_after_the_loss_is_four_times_its_best(tmp_path):
    results, log = run(
        finder_config(small(optimizer="sgd", data="digits", batch_size=64), 1e-6, 100, 400), tmp_path
    )
    assert results.stopped_by == "range_test"
    assert results.error is None
    assert len(log.steps) < 400
    smooth = smoothed(np.array(log.losses))
    last = smooth[-1]
    assert not math.isfinite(last) or last > WORSE * np.nanmin(smooth[:-1])


def test_nothing_is_saved_and_other_runs_are_as_without_it(tmp_path):
    before = exact(go(small())[1].losses)
    run(finder_config(small(), 1e-6, 1, 40), tmp_path)
    assert not (tmp_path / "run").exists()
    assert exact(go(small())[1].losses) == before


def test_a_stop_is_a_stop(tmp_path):
    results, _ = run(finder_config(small(), 1e-6, 1, 40), tmp_path, control=lambda: STOP)
    assert results.stopped_by == "stop"


@pytest.mark.parametrize("values", [(1, 1e-3, 100), (0, 1, 100), (1e-7, 1, 5), (math.nan, 1, 100)])
def test_impossible_ranges_are_refused(values):
    with pytest.raises(ConfigError, match=r"schedule\."):
        finder_config(RunConfig(), *values)


def test_suggestions_lie_on_the_slope_of_a_known_curve():
    rates = np.logspace(-7, 0, 200)
    losses = (
        2.3 - 1.8 / (1 + np.exp(-4 * (np.log10(rates) + 3))) + np.where(rates > 0.1, (rates / 0.1) ** 2, 0)
    )
    found = suggest(rates, losses)
    assert 10**-3.5 < found.steepest < 10**-2  # the logistic is steepest at 1e-3; smoothing looks back
    assert 1e-4 < found.valley < rates[losses.argmin()]


def test_noise_does_not_move_suggestions_off_the_slope():
    rates = np.logspace(-7, 0, 100)
    clean = 2.3 - 1.8 / (1 + np.exp(-4 * (np.log10(rates) + 3)))
    for seed in range(30):
        found = suggest(rates, clean + np.random.default_rng(seed).normal(0, 0.15, 100))
        assert 1e-5 < found.valley < 1
        assert 1e-4 < found.steepest < 1e-1


@pytest.mark.parametrize("losses", [np.linspace(1, 2, 100), np.full(100, np.nan), np.ones(5)])
def test_a_curve_that_never_falls_suggests_nothing(losses):
    assert suggest(np.logspace(-7, 0, len(losses)), losses) is None


def test_longest_fall_by_hand():
    curve = np.array([5.0, 6.0, 4.0, 4.5, 3.0, 3.5, 1.0])
    path = longest_fall(curve)
    assert len(path) == 4
    assert all(curve[a] > curve[b] for a, b in pairwise(path))
    assert path[-1] == 6


def test_the_page_knows_it_for_a_test():
    assert find("schedule", "range_test").facts["probe"]
