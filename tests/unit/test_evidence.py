"""Evidence in paired differences holds at every look, by simulation and by closed form."""

import math

import numpy as np
import pytest

from trainer.comparison.evidence import (
    CLAIM,
    FEWEST,
    _wealth,
    claimed,
    evidence,
    evidence_limit,
    interval,
    needed,
    seeds_needed,
)

NOISES = {
    "normal": lambda draw, shape: draw.standard_normal(shape),
    "t3": lambda draw, shape: draw.standard_t(3, shape),
    "two-point": lambda draw, shape: draw.choice([-1.0, 1.0], shape),
}


def interval_of_a_share(share, count):
    """Half the width of a band around a simulated share that holds in all but 1 of 100,000 cases."""
    return 4.5 * math.sqrt(share * (1 - share) / count)


@pytest.mark.parametrize("noise", NOISES)
def test_looking_after_every_seed_claims_an_effect_that_is_not_there_in_at_most_1_of_20(noise):
    differences = NOISES[noise](np.random.default_rng(5), (8000, 30))
    share = float((_wealth(differences) >= CLAIM).any(axis=1).mean())
    assert share <= 0.05
    assert share > 0.01  # not so cautious that it never claims anything


@pytest.mark.parametrize("noise", ["normal", "t3"])
def test_the_interval_covers_the_center_at_all_looks_at_once(noise):
    draw, missed, count = np.random.default_rng(6), 0, 150
    for _ in range(count):
        differences = NOISES[noise](draw, 20) + 0.7
        missed += any(
            not low <= 0.7 <= high for low, high in (interval(differences[:n]) for n in (6, 10, 20))
        )
    assert missed / count <= 0.05 + interval_of_a_share(0.05, count)


POWER = {1: 0.2, 2: 0.7, 4: 0.97}
"""Effect in standard deviations → the share of comparisons with six seeds that claim it, at least."""


@pytest.mark.parametrize("effect", POWER)
def test_six_seeds_find_large_effects(effect):
    differences = np.random.default_rng(7).standard_normal((4000, 6)) + effect
    share = float((_wealth(differences) >= CLAIM).any(axis=1).mean())
    print(f"Power with six seeds at {effect} standard deviations: {share:.2f}")
    assert share >= POWER[effect]


def test_no_fewer_than_six_differences_can_make_a_claim():
    assert evidence_limit(FEWEST - 1) < CLAIM <= evidence_limit(FEWEST)
    assert interval(np.ones(FEWEST - 1) + np.arange(FEWEST - 1)) == (-math.inf, math.inf)


def test_evidence_does_not_change_with_the_unit_and_swapping_the_arms():
    differences = np.random.default_rng(1).normal(0.5, 1, 9)
    assert evidence(1000 * differences) == pytest.approx(evidence(differences))
    assert evidence(-differences) == pytest.approx(evidence(differences))
    low, high = interval(differences)
    assert interval(-differences) == pytest.approx((-high, -low))
    assert interval(differences + 3) == pytest.approx((low + 3, high + 3), rel=1e-5)


def test_what_the_interval_leaves_out_is_what_the_evidence_speaks_against():
    differences = np.random.default_rng(2).normal(1, 0.5, 10)
    low, high = interval(differences)
    for bound, outwards in ((low, -1), (high, 1)):
        assert evidence(differences, bound + outwards * 1e-3) >= CLAIM
        assert evidence(differences, bound - outwards * 1e-3) < CLAIM


def test_differences_of_zero_say_nothing():
    assert evidence([0.0] * 20) == 1
    assert interval([0.0] * 20) == (0, 0)
    assert evidence([]) == 1
    ties = [0.0, 0.0, 0.0, 0.0, 1.0]
    assert math.isfinite(evidence(ties))
    assert evidence(ties) <= 2


def test_several_arms_need_more():
    assert claimed([25.0]) == [True]
    assert claimed([25.0, 1.0]) == [False, False]
    assert claimed([40.0, 1.0]) == [True, False]
    assert claimed([25.0, 25.0, 25.0]) == [True, True, True]
    assert needed([]) == CLAIM
    assert needed([1.0, 1.0]) == 3 * CLAIM - 2


def test_with_several_arms_any_false_claim_is_as_rare_as_with_one():
    draw = np.random.default_rng(8)
    wealth = np.stack([_wealth(draw.standard_normal((4000, 20))) for _ in range(3)], axis=2)
    false = [any(any(claimed(list(arms))) for arms in path) for path in wealth[:600]]
    assert np.mean(false) <= 0.05


def test_the_estimate_of_seeds_falls_with_the_effect_and_gives_up_without_one():
    noise = np.random.default_rng(9).standard_normal(8)
    noise = (noise - noise.mean()) / noise.std()
    large, small = seeds_needed(noise + 1.5), seeds_needed(noise + 0.8)
    assert large is not None
    assert small is not None
    assert large < small
    assert seeds_needed(noise) is None or seeds_needed(noise) > small
    assert seeds_needed([1.0]) == FEWEST - 1
    assert seeds_needed(noise + 1.5, others=[1.0, 1.0]) > large
