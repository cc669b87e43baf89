"""What replicates vary, and where the noise comes from: designs, what their runs share, and the spread that they show."""

import math

import numpy as np
import pytest
from comparison_runs import ARMS, BASE, BATCH_NORM, end_all, end_run

from trainer.comparison.analysis import add_seeds, analyse, planned, start
from trainer.comparison.design import VARIED, make_design, parse_design
from trainer.comparison.measures import measure_of
from trainer.comparison.noise import FEWEST, noise_design, noise_summary, share, spread, spread_sentence
from trainer.comparison.verdicts import Measure
from trainer.config import MAX_SEED, PURPOSES, ConfigError, RunConfig
from trainer.store import Store

DROPPING = BASE.changed({"dropout.rate": 0.2})


@pytest.fixture
def store(tmp_path):
    found = Store(f"sqlite:///{tmp_path / 'store.db'}")
    yield found
    found.close()


def seeds_of(config):
    return {purpose: config.seed_for(purpose) for purpose in PURPOSES}


# -- what replicates vary ----------------------------------------------------------------------------------


@pytest.mark.parametrize("vary", PURPOSES)
def test_replicates_differ_in_what_the_design_varies_and_arms_in_what_they_change(vary):
    base = DROPPING.changed({"seed": 7})
    design = make_design({"a": base, "b": base.changed({"epochs": 2, "seed": 99})}, 3, vary)
    assert design.seeds == (7, 8, 9)
    for replicate, seed in enumerate(design.seeds):
        one, other = (design.config(arm, replicate) for arm in range(2))
        assert seeds_of(one) == seeds_of(other) == dict.fromkeys(PURPOSES, 7) | {vary: seed}
        assert other.changed({"epochs": base.epochs}) == one
    names = [one.name for one in planned(design, [2])]
    assert names == [f"a · {vary} seed 9", f"b · {vary} seed 9"]


def test_a_design_that_varies_everything_is_stored_as_before():
    plain = make_design(ARMS, 2).model_dump(mode="json")
    assert [list(arm) for arm in plain["arms"]] == [["name", "config"]] * 2
    assert "vary" not in plain
    assert parse_design(plain).vary == "everything"
    assert parse_design(plain).of_seeds == ""


def test_what_varies_survives_the_store_and_more_seeds(store):
    number = start(store, make_design(ARMS, 1, "weights"), "ada")
    add_seeds(store, number, 1, by="ada")
    design = parse_design(store.comparison(number).design)
    assert design.vary == "weights"
    configs = [RunConfig.parse(one.run.config) for one in store.members(number)]
    assert [one.weights_seed for one in configs] == [0, 0, 1, 1]
    assert {one.seed for one in configs} == {0}


def test_a_seed_that_the_arms_set_is_kept_by_all_replicates():
    pinned = {name: config.changed({"seed.split": 3}) for name, config in ARMS.items()}
    design = make_design(pinned, [5, 6])
    assert {design.config(1, replicate).seed_for("split") for replicate in range(2)} == {3}
    assert design.config(1, 1).seed_for("weights") == 6
    assert design.of_seeds == " of everything but the split, one split"


REFUSED = {
    "dropout that is off": (ARMS, "dropout", "Dropout is off in all arms"),
    "dropout where the network has none": (
        {name: config.changed({"dropout.conv_rate": 0.3}) for name, config in ARMS.items()},
        "dropout",
        "Dropout is off in all arms",
    ),
    "another split": (
        {"a": BASE, "b": BASE.changed({"seed.split": 1})},
        "everything",
        "differ in Split seed",
    ),
    "what the arms differ in": (
        {"a": BASE, "b": BASE.changed({"seed.weights": 1})},
        "weights",
        "which each replicate sets",
    ),
    "no source": (ARMS, "luck", "'everything', 'split'"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_replicates_that_cannot_be_compared_are_refused(why):
    arms, vary, said = REFUSED[why]
    with pytest.raises(ConfigError, match=said):
        make_design(arms, 2, vary)


def test_the_verdict_says_what_the_seeds_are_seeds_of(store):
    number = start(store, make_design(ARMS, 6, "weights"), "ada")
    assert "no seed has finished" in analyse(store, number).arms[1].sentence
    end_all(store, number, lambda arm, replicate: 0.5 - 0.2 * arm + 0.01 * replicate * arm)
    assert (
        analyse(store, number).arms[1].sentence.endswith("in 6 of 6 seeds of the initial weights, one split.")
    )


# -- the study ---------------------------------------------------------------------------------------------


def test_a_study_varies_each_source_alone_and_trains_no_run_twice():
    design = noise_design(DROPPING.changed({"seed": 7, "seed.order": 1}), 4)
    assert [arm.vary for arm in design.arms] == ["everything", *PURPOSES]
    runs = [seeds_of(design.config(arm, replicate)) for arm in range(5) for replicate in range(4)]
    assert runs[0] == dict.fromkeys(PURPOSES, 8)
    assert runs[4] == dict.fromkeys(PURPOSES, 7) | {"split": 8}
    assert len({tuple(one.values()) for one in runs}) == len(runs)
    assert parse_design(design.model_dump(mode="json")) == design
    assert design.studies_noise
    assert not make_design(ARMS, 2, "weights").studies_noise
    assert noise_design(DROPPING.changed({"seed": MAX_SEED}), 2).seeds == (0, 1)


def test_without_dropout_there_is_no_run_for_it():
    design = noise_design(BASE)
    assert "dropout" not in [arm.vary for arm in design.arms]
    nothing = [spread([])] * len(design.arms)
    assert "Dropout is off: it makes no noise, exactly 0." in noise_summary(design, nothing, Measure("loss"))


@pytest.mark.parametrize(
    "change",
    [
        lambda arms: arms[1].update(config=BATCH_NORM.to_dict()),
        lambda arms: arms[1].update(vary="weights"),
        lambda arms: arms[1].pop("vary"),
    ],
    ids=["another configuration", "a source twice", "everything twice"],
)
def test_a_study_of_two_things_at_once_is_refused(change):
    values = noise_design(BASE).model_dump(mode="json")
    change(values["arms"])
    with pytest.raises(ConfigError, match="vary different things"):
        parse_design(values)


def test_a_study_says_what_each_source_does_and_takes_more_seeds(store):
    number = start(store, noise_design(DROPPING, 2), "ada", "Noise")
    assert "at least 5 runs" in analyse(store, number).sentences[0]
    add_seeds(store, number, 6, by="ada")
    sizes = {"everything": 0.1, "split": 0.09, "weights": 0.01, "order": 0.005, "dropout": 0.0}
    design = parse_design(store.comparison(number).design)

    def loss(arm, replicate):
        return 0.5 + sizes[design.arms[arm].vary] * (-1) ** replicate * (1 + replicate / 10)

    end_all(store, number, loss)
    found = analyse(store, number)
    assert found.is_over
    assert all(arm.verdict is None for arm in found.arms)
    assert found.more_seeds is None
    assert found.sentences[0].startswith("Largest source of noise in the lowest validation loss: split.")
    assert found.arms[4].spread.deviation == 0
    assert "standard deviation 0 (95% interval 0 to 0) over 8 runs" in found.sentences[5]
    assert len(found.sentences) == 6


def test_intervals_that_overlap_leave_the_largest_source_open():
    design, few = noise_design(BASE), spread([0.1, 0.2, 0.15, 0.12, 0.19])
    said = noise_summary(design, [few, few, few, few], measure_of(design))
    assert "so far" in said
    assert "overlaps" in said


def test_a_run_that_diverged_is_counted(store):
    number = start(store, noise_design(BASE, 3), "ada")
    for arm, replicate, run in store.members(number):
        if (arm, replicate) == (1, 0):
            end_run(store, run, None, stopped_by="non_finite_loss")
        else:
            end_run(store, run, 0.1 * replicate)
    found = analyse(store, number).arms[1]
    assert (found.spread.count, found.spread.diverged) == (2, 1)
    assert "1 more diverged" in found.sentence


# -- the interval ------------------------------------------------------------------------------------------

VALUES = {
    "normal": (lambda draw, shape: draw.standard_normal(shape), 1.0),
    "uniform": (lambda draw, shape: draw.uniform(-1, 1, shape), math.sqrt(1 / 3)),
    "t5": (lambda draw, shape: draw.standard_t(5, shape), math.sqrt(5 / 3)),
    "skewed": (
        lambda draw, shape: np.exp(draw.normal(0, 0.5, shape)),
        math.sqrt(math.expm1(0.25) * math.exp(0.25)),
    ),
}


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("count", [FEWEST, 6, 8, 10])
def test_the_interval_covers_the_standard_deviation(values, count):
    draw, true = VALUES[values]
    found = [spread(one) for one in draw(np.random.default_rng(8), (4000, count))]
    share = sum(one.low <= true <= one.high for one in found) / len(found)
    print(f"Coverage of {count} {values} values: {share:.3f}")
    assert share >= 0.9


@pytest.mark.parametrize("values", VALUES)
def test_the_interval_covers_the_share_of_the_variance(values):
    draw, _ = VALUES[values]
    parts, wholes = draw(np.random.default_rng(9), (2, 1500, 10))
    found = [share(spread(part), spread(2 * whole)) for part, whole in zip(parts, wholes, strict=True)]
    covered = sum(one.low <= 0.25 <= one.high for one in found) / len(found)
    print(f"Coverage of the share with ten {values} values each: {covered:.3f}")
    assert covered >= 0.9


def test_a_share_of_nothing_and_of_few():
    few, none, some = spread([1.0, 2.0]), spread([3.0] * 6), spread([1.0, 2.0, 4.0, 3.0, 7.0, 5.0])
    assert share(none, some)[0] == 0
    assert math.isnan(share(some, none).value)
    assert share(few, some).value == pytest.approx((few.deviation / some.deviation) ** 2)
    assert math.isnan(share(few, some).low)


def test_a_spread_of_few_equal_or_huge_values():
    assert math.isnan(spread([]).deviation)
    assert math.isnan(spread([1.0]).deviation)
    assert spread([1.0, 3.0]).deviation == pytest.approx(math.sqrt(2))
    assert math.isnan(spread([1.0, 2.0, 3.0, 4.0]).low)
    assert spread([0.1] * 6) == spread([0.0] * 6)
    assert spread([0.1] * 6).high == 0
    plain = spread([1.0, 2.0, 4.0, 3.0, 7.0, 5.0])
    for unit in (1e300, 1e-300):
        scaled = spread([unit * value for value in (1.0, 2.0, 4.0, 3.0, 7.0, 5.0)])
        assert scaled.deviation == pytest.approx(unit * plain.deviation)
        assert scaled.high == pytest.approx(unit * plain.high)
    assert spread([1.0, 2.0, math.nan, math.inf]).diverged == 2


def test_sentences_have_the_unit():
    said = spread_sentence(
        "split", spread([1.0, 2.0, 4.0, 3.0, 7.0]), Measure("test mean absolute error", "min")
    )
    assert said.startswith("Split: standard deviation 2.3 min (95% interval ")
    assert "over 5 runs" in said
    assert set(VARIED) == {"everything", *PURPOSES}
