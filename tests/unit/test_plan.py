"""The planned learning-rate curve and the step count behind it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.config import RunConfig
from trainer.engine.datasplit import batch_sizes, split, steps_per_epoch, training_samples
from trainer.preflight.plan import MAX_POINTS, REACTS_NOTE, planned_rate
from trainer.registry import families
from trainer.techniques.input_scaling import standardize


def test_digits_leave_1257_samples_and_40_steps():
    config = RunConfig()  # 1,797 digits, 15% validation, 15% test, batches of 32
    assert training_samples(config) == 1797 - 2 * 270 == 1257
    assert steps_per_epoch(config) == 40


def test_the_step_count_is_the_one_that_the_split_gives(tmp_path):
    for values in ({}, {"data": "two_moons", "data.samples": 331, "batch_size": 15, "test_share": 0.25}):
        config = RunConfig.from_flat(values)
        samples = config.technique("data").function(tmp_path, **config.data.knobs)
        parts = split(
            samples,
            seed=0,
            validation_share=config.validation_share,
            test_share=config.test_share,
            device=torch.device("cpu"),
            scaling=standardize,
        )
        assert training_samples(config) == len(parts.train)
        assert steps_per_epoch(config) == len(batch_sizes(len(parts.train), config.batch_size))


def test_a_last_batch_of_one_is_merged():
    config = RunConfig.from_flat({"data": "two_moons", "data.samples": 99, "batch_size": 17})
    assert training_samples(config) == 69
    assert steps_per_epoch(config) == 4  # 17 + 17 + 17 + 18: the one left over joins the last
    assert steps_per_epoch(config.changed({"batch_size": 1000})) == 1


def test_files_bring_their_own_test_part():
    config = RunConfig.from_flat({"data": "mnist", "validation_share": 0.1, "test_share": 0.4})
    assert training_samples(config) == 54_000


def test_cosine_falls_from_the_rate_to_the_final_one():
    config = RunConfig.from_flat(
        {"schedule": "cosine", "schedule.final_lr": 0.0001, "learning_rate": 0.01, "epochs": 100}
    )
    plan = planned_rate(config)
    assert plan.lr[0] == pytest.approx(0.01)
    assert plan.lr[-1] == pytest.approx(0.0001, rel=0.05)
    assert plan.lr == sorted(plan.lr, reverse=True)


def test_step_decay_drops_upright():
    config = RunConfig.from_flat(
        {"schedule": "step", "schedule.size": 30, "learning_rate": 0.01, "epochs": 90}
    )
    plan = planned_rate(config)
    drop = next(i for i, lr in enumerate(plan.lr) if lr < 0.009)
    assert plan.epochs[drop] == 30.0
    assert plan.epochs[drop] - plan.epochs[drop - 1] <= 1 / steps_per_epoch(config) + 1e-9


def test_plateau_is_level_and_says_why():
    plan = planned_rate(RunConfig.from_flat({"schedule": "plateau"}))
    assert set(plan.lr) == {0.001}
    assert plan.note == REACTS_NOTE


@pytest.mark.parametrize("name", sorted(families()["schedule"].techniques))
@given(epochs=st.integers(1, 100_000), batch=st.integers(1, 8192), samples=st.integers(20, 100_000))
@settings(max_examples=20, deadline=None)
def test_every_schedule_has_a_short_finite_plan(name, epochs, batch, samples):
    values = {
        "schedule": name,
        "epochs": epochs,
        "batch_size": batch,
        "data": "two_moons",
        "data.samples": samples,
    }
    plan = planned_rate(RunConfig.from_flat(values))
    assert 1 <= len(plan.lr) <= MAX_POINTS
    assert len(plan.epochs) == len(plan.lr)
    assert all(math.isfinite(lr) and lr >= 0 for lr in plan.lr)
    assert plan.epochs == sorted(set(plan.epochs))
