"""Data sets that need no files, and the split: disjoint, exhaustive, stratified, scaled by the training part alone."""

import math
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from engine_runs import CPU, small
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trainer.config import RunConfig
from trainer.data.samples import Samples
from trainer.engine.build import build
from trainer.engine.datasplit import batch_sizes, split
from trainer.registry import families, find
from trainer.techniques.input_scaling import standardize

BUILT_IN = [
    name for name, item in families()["data"].techniques.items() if not {"files", "own"} & item.facts.keys()
]


def load(name, folder, **knobs):
    return find("data", name).function(folder, **knobs)


@pytest.mark.parametrize("name", BUILT_IN)
def test_arrays_are_what_the_facts_say(name, tmp_path):
    facts, samples = find("data", name).facts, load(name, tmp_path)
    assert samples.task == facts["task"]
    if "shape" in facts:
        assert samples.shape == tuple(facts["shape"])
    assert len(samples.inputs) == len(samples.targets) == facts.get("samples", len(samples.inputs))
    assert (
        samples.inputs.dtype == np.int64
        if samples.vocabulary
        else samples.inputs.dtype in (np.float32, np.uint8)
    )
    assert np.isfinite(samples.inputs).all()
    if samples.task == "classification":
        assert samples.targets.dtype == np.int64
        assert samples.targets.shape == (len(samples.inputs),)
        assert set(samples.targets) == set(range(len(samples.classes)))
        assert len(samples.classes) == facts["outputs"]
    else:
        assert samples.targets.dtype == np.float32
        assert samples.targets.shape == (len(samples.inputs), facts["outputs"])
        assert samples.unit or facts["kind"] != "table"


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_same_knobs_give_the_same_arrays_whatever_the_global_stream(name, tmp_path):
    np.random.seed(1)
    one = load(name, tmp_path)
    np.random.seed(2)
    again = load(name, tmp_path)
    assert np.array_equal(one.inputs, again.inputs)
    assert np.array_equal(one.targets, again.targets)
    if "seed" in find("data", name).knobs:
        assert not np.array_equal(one.inputs, load(name, tmp_path, seed=7).inputs)
    if "samples" in find("data", name).knobs:
        for count in (20, 21, 333):
            assert len(load(name, tmp_path, samples=count).inputs) == count


def test_digits_are_the_real_ones(tmp_path):
    samples = load("digits", tmp_path)
    assert samples.inputs.shape == (1797, 1, 8, 8)
    assert 0 == samples.inputs.min() < samples.inputs.max() == 1
    assert min(Counter(samples.targets.tolist()).values()) == 174


def test_delivery_time_follows_its_formula(tmp_path):
    samples = load("delivery_time", tmp_path)
    distance, traffic, preparation, value = samples.inputs.T.astype(float)
    minutes = samples.targets[:, 0].astype(float)
    assert len(minutes) == 3000
    for column, low, high in (
        (distance, 0.5, 15),
        (preparation, 5, 35),
        (value, 50, 1200),
        (minutes, 10, 120),
    ):
        assert low <= column.min()
        assert column.max() <= high
    assert set(traffic) == set(range(1, 11))
    noise = minutes - (8.6 + 7.3 * distance + 0.8 * preparation + 1.5 * traffic)
    free = (minutes > 10) & (minutes < 120)
    assert abs(noise[free].mean()) < 5 * 4 / math.sqrt(3000)
    assert noise[free].std() == pytest.approx(4, rel=0.07)
    table = np.column_stack([np.ones(3000), distance, traffic, preparation, value])[free]
    fitted = np.linalg.lstsq(table, minutes[free], rcond=None)[0]
    assert fitted == pytest.approx([8.6, 7.3, 1.5, 0.8, 0.0], abs=0.8)
    assert fitted[1:] == pytest.approx([7.3, 1.5, 0.8, 0.0], abs=0.15)
    assert np.median(distance) == pytest.approx(4, abs=0.2)
    assert np.median(preparation) == pytest.approx(15, abs=0.4)
    assert np.median(value) == pytest.approx(350, abs=12)


def test_shapes_of_the_plane_without_noise(tmp_path):
    circles = load("circles", tmp_path, noise=0.0, factor=0.4)
    radius = np.linalg.norm(circles.inputs, axis=1)
    assert radius[circles.targets == 0] == pytest.approx(1.0, abs=1e-5)
    assert radius[circles.targets == 1] == pytest.approx(0.4, abs=1e-5)
    spirals = load("spirals", tmp_path, noise=0.0, turns=1.0)
    radius = np.linalg.norm(spirals.inputs, axis=1)
    angle = np.arctan2(*spirals.inputs.T[::-1]) - spirals.targets * np.pi
    assert np.cos(angle) == pytest.approx(np.cos(radius / 2 * 2 * np.pi), abs=1e-3)
    for name in ("two_moons", "circles", "spirals"):
        assert Counter(load(name, tmp_path).targets.tolist()) == {0: 500, 1: 500}


def numbered(count, classes=0, test=None):
    """Samples whose only feature is their number, so that a part tells which it holds."""
    inputs = np.arange(count, dtype=np.float32)[:, None]
    if classes:
        return Samples(
            inputs, np.arange(count) % classes, "classification", tuple(map(str, range(classes))), test=test
        )
    return Samples(inputs, inputs * 2 + 5, "regression", unit="minutes")


def parts(samples, seed=0, validation=0.15, test=0.15):
    shares = {"validation_share": validation, "test_share": test}
    data = split(samples, seed=seed, **shares, device=CPU, scaling=standardize)
    return data, [data.train, data.validation, data.test]


@given(
    count=st.integers(20, 400),
    classes=st.integers(0, 6),
    seed=st.integers(0, 2**31 - 1),
    validation=st.floats(0.05, 0.4),
    test=st.floats(0.05, 0.4),
)
@settings(max_examples=60)
def test_parts_are_disjoint_exhaustive_and_as_large_as_asked(count, classes, seed, validation, test):
    assume(validation + test <= 0.6)
    samples = numbered(count, classes if classes != 1 else 2)
    data, found = parts(samples, seed, validation, test)
    together = torch.cat([part.inputs for part in found]).flatten().double().sort().values
    assert len(together) == count
    torch.testing.assert_close(together.diff(), together.diff()[:1].expand(count - 1), rtol=1e-3, atol=1e-6)
    assert together.diff()[0] > 0, "no sample twice"
    assert abs(len(found[1]) - validation * count) <= 2
    assert abs(len(found[2]) - test * count) <= 1
    assert abs(data.train.inputs.mean()) < 1e-4
    assert float(data.train.inputs.std(correction=0)) == pytest.approx(1, abs=1e-3)


@given(st.integers(60, 400), st.integers(2, 6), st.integers(0, 2**31 - 1))
@settings(max_examples=40)
def test_every_part_holds_the_classes_in_their_shares(count, classes, seed):
    _data, found = parts(numbered(count, classes), seed)
    for part in found:
        for label in range(classes):
            assert abs(int((part.targets == label).sum()) - len(part) / classes) <= 2


def test_the_split_depends_on_seed_alone():
    state = torch.get_rng_state(), np.random.get_state()[1].copy()
    one, again, other = (parts(numbered(100, 2), seed)[0].test.inputs for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(state[0], torch.get_rng_state())
    assert np.array_equal(state[1], np.random.get_state()[1])


def test_changing_test_or_validation_samples_changes_nothing_in_training():
    samples = numbered(200)
    data, _ = parts(samples)
    held_out = torch.cat([data.validation.inputs, data.test.inputs]).flatten()
    train_ids = set(np.arange(200)) - {
        round(float(x) * scale_of(data, samples)[1] + scale_of(data, samples)[0]) for x in held_out
    }
    changed = samples.inputs.copy()
    changed[sorted(set(range(200)) - train_ids)] = 1e6
    spoiled, _ = parts(Samples(changed, samples.targets, "regression", unit="minutes"))
    assert torch.equal(spoiled.train.inputs, data.train.inputs)
    assert len(train_ids) == len(data.train)


def scale_of(data, samples):
    """Mean and deviation by which the numbers were scaled, recovered from the parts."""
    every = torch.cat([data.train.inputs, data.validation.inputs, data.test.inputs]).double()
    deviation = float(samples.inputs.std() / every.std(correction=0))
    return float(samples.inputs.mean()) - deviation * float(every.mean()), deviation


def test_a_constant_feature_does_not_divide_by_zero():
    samples = Samples(np.ones((40, 3), np.float32), np.arange(40) % 2, "classification", ("a", "b"))
    _data, found = parts(samples)
    assert all(torch.isfinite(part.inputs).all() for part in found)
    flat = Samples(
        np.ones((40, 1), np.float32), np.full((40, 1), 7, np.float32), "regression", unit="minutes"
    )
    assert torch.isfinite(parts(flat)[0].train.targets).all()


def test_images_are_scaled_by_channel_and_a_test_part_of_their_own_is_kept():
    random = np.random.default_rng(0)
    images = (random.integers(0, 256, (50, 3, 4, 4)) * np.array([1, 0.5, 0.1])[:, None, None]).astype(
        np.uint8
    )
    test = images[:7] // 2, np.zeros(7, np.int64)
    samples = Samples(images, np.arange(50) % 2, "classification", ("a", "b"), test=test)
    data, found = parts(samples, validation=0.2, test=0.4)
    assert [len(part) for part in found] == [40, 10, 7]
    exact = (
        data.train.inputs.double()
    )  # each is rounded to 1e-7 of itself, as is what scales it; the sums here are exact
    near = partial(torch.testing.assert_close, rtol=0, atol=1e-5)
    near(exact.mean((0, 2, 3)), torch.zeros(3, dtype=torch.float64))
    near(exact.std((0, 2, 3), correction=0), torch.ones(3, dtype=torch.float64))
    assert data.train.inputs.dtype == torch.float32
    assert data.train.targets.dtype == torch.int64


def test_mae_is_in_minutes(tmp_path):
    config = small(data="delivery_time", data__samples=200)
    run = build(config, tmp_path)
    raw = load("delivery_time", tmp_path, samples=200).targets[:, 0]
    scaled = torch.cat([part.targets for part in (run.data.train, run.data.validation, run.data.test)])[:, 0]
    minutes = scaled.sort().values.double() * run.data.target_scale
    offset = float(raw.mean()) - float(minutes.mean())
    assert (minutes + offset).tolist() == pytest.approx(np.sort(raw).tolist(), abs=1e-3)
    assert run.metric == "mae"
    assert run.data.samples.unit == "minutes"
    targets = run.data.test.targets
    assert run.score(targets, targets) == 0
    off_by_3 = targets + 3 / run.data.target_scale
    assert run.score(off_by_3, targets) == pytest.approx(3, abs=1e-4)
    guess = float((targets * run.data.target_scale).abs().mean())
    assert run.score(torch.zeros_like(targets), targets) == pytest.approx(guess, rel=1e-5)


def test_accuracy_is_a_share(tmp_path):
    run = build(small(), tmp_path)
    logits = torch.tensor([[2.0, 1.0], [0.0, 1.0], [5.0, 1.0], [0.0, 3.0]])
    assert run.metric == "accuracy"
    assert run.score(logits, torch.tensor([0, 1, 1, 0])) == 0.5


@given(st.integers(1, 5000), st.integers(1, 600))
def test_batches_cover_an_epoch_and_none_is_one_sample_by_accident(samples, size):
    sizes = batch_sizes(samples, size)
    assert sum(sizes) == samples
    assert max(sizes) <= size + 1
    if size > 1 and samples > 1:
        assert min(sizes) > 1
    assert all(batch == size for batch in sizes[:-1])


def test_a_merged_last_batch_is_said_and_trained():
    run = build(small(data__samples=99, batch_size=17, normalization="batch"), Path("x"))
    assert len(run.data.train) % 17 == 1
    assert batch_sizes(len(run.data.train), 17) == [17, 17, 17, 18]
    assert any("one over" in notice and "18" in notice for notice in run.notices)
    config = RunConfig.from_flat({"data": "two_moons", "data.samples": 100})
    assert not any("one over" in notice for notice in build(config, Path("x")).notices)
