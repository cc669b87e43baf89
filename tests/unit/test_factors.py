"""Techniques combined into arms: layouts that keep effects apart, effects that are found again, and claims that hold."""

import itertools

import numpy as np
import pytest
from comparison_runs import BASE, begin, end_all
from test_evidence import interval_of_a_share

from trainer.comparison.analysis import add_seeds, analyse, start
from trainer.comparison.design import MAX_ARMS, make_design, parse_design
from trainer.comparison.evidence import claimed, evidence
from trainer.comparison.factor_effects import factor_effects
from trainer.comparison.factors import LAYOUTS, by_family, combinations, combined_design, title_of
from trainer.comparison.verdicts import Claim, Measure, Outcome
from trainer.config import ConfigError
from trainer.store import Store

BATCH_NORM = BASE.changed({"normalization": "batch"})
DROPOUT = BASE.changed({"dropout.rate": 0.2})
COSINE = BASE.changed({"schedule": "cosine"})
CLIPPED = BASE.changed({"clipping": "by_norm"})
FOUR = [BATCH_NORM, DROPOUT, COSINE, CLIPPED]
LOSS = Measure("loss")


def signs(techniques, layout):
    return 2 * np.array(combinations(techniques, layout)) - 1


def pairs(columns):
    return np.array(
        [columns[:, i] * columns[:, j] for i, j in itertools.combinations(range(columns.shape[1]), 2)]
    )


# -- layouts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("techniques", range(4, MAX_ARMS // 2 + 1))
def test_a_fraction_never_mixes_a_technique_with_another_or_with_a_pair(techniques):
    columns = signs(techniques, "fraction")
    assert len(columns) < min(2**techniques, MAX_ARMS + 1)
    assert (columns.T @ columns == len(columns) * np.eye(techniques)).all()
    assert not (pairs(columns) @ columns).any()
    assert (columns[0] == -1).all()  # the baseline has none of them


def test_five_techniques_in_sixteen_arms_keep_all_pairs_apart():
    together = pairs(signs(5, "fraction"))
    assert (together @ together.T == 16 * np.eye(10)).all()


@pytest.mark.parametrize("techniques", range(2, 6))
def test_every_combination_is_there_once(techniques):
    assert sorted(combinations(techniques, "factorial")) == sorted(
        itertools.product([False, True], repeat=techniques)
    )


def test_arms_are_the_baseline_with_their_techniques():
    design = combined_design(BASE, FOUR[:3], "factorial", 2)
    both = design.arms[3]
    assert both.name == "Batch norm + Dropout rate 0.2"
    assert both.config == BATCH_NORM.changed({"dropout.rate": 0.2})
    assert design.arms[-1].name == "all together"
    assert design.factors["Dropout rate 0.2"] == (2, 3, 6, 7)
    assert title_of(design) == "Batch norm / Dropout rate 0.2 / Cosine annealing"
    left_out = combined_design(BASE, FOUR[:2], "left_out", 2)
    assert [arm.name for arm in left_out.arms] == [
        "all together",
        "without Batch norm",
        "without Dropout rate 0.2",
    ]
    assert [arm.config for arm in left_out.arms[1:]] == [DROPOUT, BATCH_NORM]
    ladder = combined_design(BASE, FOUR[:2], "ladder", 2)
    assert [arm.config for arm in ladder.arms] == [
        BASE,
        BATCH_NORM,
        DROPOUT,
        BATCH_NORM.changed({"dropout.rate": 0.2}),
    ]
    assert not ladder.factors


def test_another_technique_keeps_its_knobs_where_it_is_combined():
    base = BASE.changed({"optimizer": "adamw", "optimizer.weight_decay": 0.1})
    other = base.changed({"optimizer": "momentum", "optimizer.weight_decay": 0.1})
    design = combined_design(base, [other, base.changed({"dropout.rate": 0.2})], "ladder", 1)
    assert design.arms[-1].config == other.changed({"dropout.rate": 0.2})


def test_changes_in_the_sidebar_become_a_technique_a_family():
    sidebar = BATCH_NORM.changed({"schedule": "cosine", "schedule.final_lr": 1e-5, "seed": 9})
    assert by_family(BASE, sidebar) == [BATCH_NORM, COSINE.changed({"schedule.final_lr": 1e-5})]


@pytest.mark.parametrize(
    ("changed", "layout", "said"),
    [
        (FOUR[:1], "factorial", "It takes two techniques or more"),
        (FOUR[:3], "fraction", "only 8 combinations"),
        ([BASE.changed({"learning_rate": rate}) for rate in (0.01, 0.1)], "ladder", "both set Learning rate"),
        ([COSINE, BASE.changed({"schedule": "step"})], "factorial", "both set Scheduler"),
        (
            [*FOUR, *(BASE.changed({key: 7}) for key in ("batch_size", "epochs"))],
            "factorial",
            "have 64 combinations",
        ),
        ([BATCH_NORM, BASE.changed({"data": "spirals"})], "factorial", "results on other data"),
        ([BASE.changed({"batch_size": 1}), BATCH_NORM], "factorial", "Batch norm"),
    ],
)
def test_what_cannot_be_combined_is_refused_before_anything_starts(changed, layout, said):
    with pytest.raises(ConfigError, match=said):
        combined_design(BASE, changed, layout, 2)


def test_sixteen_techniques_are_the_most():
    assert len(combinations(16, "fraction")) == MAX_ARMS
    with pytest.raises(ConfigError, match="combine at most 16"):
        combinations(17, "fraction")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_design_survives_as_plain_values_and_more_seeds(layout):
    design = combined_design(BASE, FOUR, layout, 2, measure="val_loss")
    plain = design.model_dump(mode="json")
    assert ("factors" in plain) == (
        layout in ("factorial", "fraction")
    )  # other designs are as they always were
    assert parse_design(plain) == design
    assert design.with_seeds(1).factors == design.factors


@pytest.mark.parametrize("having", [(), (0, 1), (1, 2, 3), (1, 9), (-1,)])
def test_factors_that_are_none_are_refused(having):
    arms = {str(number): BASE.changed({"learning_rate": 0.01 + number / 100}) for number in range(4)}
    arms = dict(list(arms.items())[:3]) if having == (1, 2, 3) else arms
    with pytest.raises(ConfigError, match=r"[Ff]actor"):
        make_design(arms, 2, factors={"one": having})


# -- effects -----------------------------------------------------------------------------------------------


def outcomes(table, ended=0.0):
    """[n, arms] values as outcomes of each arm by replicate."""
    return [
        {seed: Outcome(float(value), ended + seed) for seed, value in enumerate(column)}
        for column in np.array(table).T
    ]


@pytest.mark.parametrize(("count", "layout"), [(3, "factorial"), (4, "fraction"), (5, "fraction")])
def test_effects_that_are_there_are_found_again(count, layout):
    has = np.array(combinations(count, layout), float)
    draw = np.random.default_rng(3)
    main = draw.normal(0, 1, count)
    loss = (
        5 + has @ main + 0.5 * has[:, 0] * has[:, 1] + draw.normal(0, 3, (9, 1))
    )  # seeds differ much, alike for all arms
    factors = {f"t{place}": np.flatnonzero(has[:, place]).tolist() for place in range(count)}
    seconds = 2 + has @ np.arange(count)
    found = factor_effects(factors, outcomes(loss), seconds.tolist(), LOSS)
    mains, together = [one for one in found if one.is_main], [one for one in found if not one.is_main]
    on_average = main + np.array([0.25, 0.25, *[0.0] * (count - 2)])
    assert [one.verdict.effect for one in mains] == pytest.approx(on_average.tolist())
    assert [one.seconds for one in mains] == pytest.approx(list(range(count)))
    assert [one.verdict.claim for one in mains] == [
        Claim.BETTER if one < 0 else Claim.WORSE for one in on_average
    ]
    for one in together:
        there = ("t0", "t1") in one.names
        assert one.verdict.effect == pytest.approx(0.5 if there else 0.0, abs=1e-9)
        assert one.verdict.claim == (Claim.WORSE if there else Claim.OPEN)
    assert len([pair for one in together for pair in one.names]) == count * (count - 1) // 2


def test_a_technique_whose_runs_diverge_has_lost():
    loss = np.tile([1.0, np.nan, 1.1, np.inf], (7, 1))
    found = factor_effects({"high rate": (1, 3), "dropout": (2, 3)}, outcomes(loss), [1, 1, 1, 1], LOSS)
    assert found[0].verdict.claim is Claim.WORSE
    assert found[0].verdict.diverged == 7
    assert found[1].verdict.claim is Claim.OPEN  # both with and without it, some diverged


def test_only_seeds_that_all_arms_have_ended_count():
    ended = outcomes(np.ones((3, 4)))
    del ended[2][1]
    assert factor_effects({"a": (1, 3), "b": (2, 3)}, ended, [1, 1, 1, 1], LOSS)[0].verdict.pairs == 2


def test_looking_after_every_seed_claims_an_effect_of_three_that_do_nothing_in_at_most_1_of_20():
    draw, count, false = np.random.default_rng(11), 600, 0
    columns = signs(3, "factorial")
    for _ in range(count):
        values = draw.standard_t(3, (12, 8)) + draw.standard_normal((12, 1))
        contrasts = values @ columns / 4
        false += any(any(claimed([evidence(one[:seen]) for one in contrasts.T])) for seen in range(6, 13))
    assert false / count <= 0.05 + interval_of_a_share(0.05, count)


# -- in the store ------------------------------------------------------------------------------------------


def test_a_factorial_comparison_takes_seeds_and_says_its_effects(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    design = combined_design(BASE, FOUR[:2], "factorial", 6)
    number = start(store, design, "ada")
    assert analyse(store, number).effects[0].verdict.pairs == 0
    end_all(store, number, lambda arm, seed: 1 + seed / 10 - 0.5 * (arm in (1, 3)))
    add_seeds(store, number, 2, by="ada")
    end_all(store, number, lambda arm, seed: 1 + seed / 10 - 0.5 * (arm in (1, 3)))
    found = analyse(store, number)
    assert all(arm.verdict is None for arm in found.arms)
    assert [one.label for one in found.effects] == [
        "Batch norm",
        "Dropout rate 0.2",
        "Batch norm × Dropout rate 0.2",
    ]
    assert found.effects[0].words == "better"
    assert found.sentences[0].startswith("“Batch norm” is better: lowest validation loss is lower by 0.5")
    assert len(found.sentences) == len(found.verdicts) == 2
    store.close()


def test_other_comparisons_have_no_effects(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    assert analyse(store, begin(store)).effects == ()
    store.close()
