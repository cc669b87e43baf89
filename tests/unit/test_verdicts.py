"""Verdicts in words: what a comparison's runs say about each arm."""

import math

import numpy as np
import pytest

from trainer.comparison.verdicts import Claim, Measure, Outcome, sentence, verdicts

LOSS = Measure("validation loss")
BASE = np.random.default_rng(3).normal(1, 0.1, 12)
NOISE = np.random.default_rng(4).normal(0, 0.02, 12)


def arm(values):
    return {i: Outcome(float(value), float(i)) for i, value in enumerate(values)}


def only(values, measure=LOSS, baseline=BASE):
    return verdicts(arm(baseline[: len(values)]), [arm(values)], measure)[0]


def test_lower_loss_is_better_and_higher_accuracy_is_better():
    better = only(BASE[:8] - 0.1 + NOISE[:8])
    assert better.claim is Claim.BETTER
    assert better.low < -0.1 + abs(NOISE).max()
    assert better.high < 0
    assert sentence("batch norm", better, LOSS).startswith(
        "“batch norm” is better: validation loss is lower by 0."
    )
    assert "in 8 of 8 seeds" in sentence("batch norm", better, LOSS)
    accuracy = Measure("test accuracy", lower_is_better=False)
    worse = only(BASE[:8] - 0.1 + NOISE[:8], accuracy)
    assert worse.claim is Claim.WORSE
    assert "test accuracy is lower by" in sentence("batch norm", worse, accuracy)


def test_noise_is_not_an_effect_and_says_what_would_tell():
    verdict = only(BASE[:6] + NOISE[:6] - NOISE[:6].mean())
    assert verdict.claim is Claim.OPEN
    assert "Cannot tell yet" in sentence("x", verdict, LOSS)
    assert "more" in sentence("x", verdict, LOSS)


def test_few_seeds_say_how_many_it_takes():
    assert "at least 6 seeds" in sentence("x", only(BASE[:2] + 0.1), LOSS)
    assert "no seed has finished" in sentence("x", verdicts({}, [{}], LOSS)[0], LOSS)


def test_a_margin_makes_no_difference_a_claim_of_its_own():
    measure = Measure("error", "minutes", margin=0.1)
    verdict = only(BASE + NOISE - NOISE.mean(), measure)
    assert verdict.claim is Claim.EQUAL
    assert "no difference larger than 0.1 minutes" in sentence("x", verdict, measure)
    assert only(BASE + NOISE - NOISE.mean(), Measure("error", margin=0.001)).claim is Claim.OPEN


def test_runs_that_give_the_same_numbers_make_no_difference():
    verdict = only(BASE[:6])
    assert verdict.claim is Claim.EQUAL
    assert "is the same with each of 6 seeds" in sentence("x", verdict, LOSS)


@pytest.mark.parametrize("lost", [math.nan, math.inf])
def test_a_run_that_diverged_is_counted_said_and_loses(lost):
    verdict = only([lost] * 8)
    assert verdict.claim is Claim.WORSE
    assert (verdict.pairs, verdict.diverged, verdict.wins) == (8, 8, 0)
    assert "8 of its 8 runs diverged" in sentence("x", verdict, LOSS)
    some = only([lost, *(BASE[1:8] - 0.1)])
    assert some.diverged == 1
    assert some.pairs == 8
    assert math.isfinite(some.effect)
    rescued = verdicts(arm([lost] * 8), [arm(BASE[:8])], LOSS)[0]
    assert rescued.claim is Claim.BETTER
    assert rescued.baseline_diverged == 8
    both = verdicts(arm([lost] * 8), [arm([lost] * 8)], LOSS)[0]
    assert both.claim is Claim.OPEN
    assert both.evidence == 1


def test_some_diverged_runs_never_make_no_difference():
    assert only([math.nan, *BASE[1:12]], Measure("loss", margin=1.0)).claim is not Claim.EQUAL


def test_only_replicates_that_ended_in_both_arms_count_whatever_the_order():
    first = {0: Outcome(1.0, 5.0), 1: Outcome(1.0, 1.0), 2: Outcome(1.0, 2.0)}
    second = {2: Outcome(0.5, 1.0), 1: Outcome(0.4, 9.0)}
    verdict = verdicts(first, [second], LOSS)[0]
    assert verdict.pairs == 2
    assert verdict.effect == pytest.approx(-0.55)


def test_several_arms_are_corrected():
    strong = arm(BASE[:6] - 0.1 + NOISE[:6])
    none = arm(BASE[:6] + NOISE[6:])
    assert verdicts(arm(BASE[:6]), [strong], LOSS)[0].claim is Claim.BETTER
    assert verdicts(arm(BASE[:6]), [strong, none], LOSS)[0].claim is Claim.OPEN
    with_more = verdicts(arm(BASE), [arm(BASE - 0.1 + NOISE), arm(BASE + NOISE[::-1] - NOISE.mean())], LOSS)
    assert with_more[0].claim is Claim.BETTER


def test_probability_of_better_is_between_a_tie_and_the_share_of_wins():
    verdict = only(BASE[:4] - 0.1)
    assert verdict.wins == 4
    assert 0.5 < verdict.probability_better < 1
