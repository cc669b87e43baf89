"""The generated sequences and planes: their targets are what they are said to be."""

from pathlib import Path

import numpy as np
import pytest
from engine_runs import go, small

from trainer.data.sequences import BAD, DEGREES, GOOD, LINKS, MAX_WORDS
from trainer.registry import find

NOWHERE = Path("no-data-here")


def samples(name, **knobs):
    return find("data", name).function(NOWHERE, **knobs)


@pytest.mark.parametrize("length", [4, 5, 50, 1000])
def test_adding_asks_for_the_sum_of_the_two_marked_numbers(length):
    found = samples("adding", length=length, samples=300)
    numbers, marks = found.inputs[..., 0], found.inputs[..., 1]
    assert found.inputs.shape == (300, length, 2)
    assert found.inputs.dtype == np.float32
    assert found.targets.shape == (300, 1)
    assert found.targets.dtype == np.float32
    assert set(np.unique(marks)) == {0.0, 1.0}
    assert (marks[:, : length // 2].sum(1) == 1).all()
    assert (marks[:, length // 2 :].sum(1) == 1).all()
    places = marks.nonzero()[1].reshape(300, 2)
    by_hand = [row[one] + row[other] for row, (one, other) in zip(numbers, places, strict=True)]
    np.testing.assert_allclose(found.targets[:, 0], by_hand, rtol=1e-6)
    assert numbers.min() >= 0
    assert numbers.max() <= 1


def test_adding_guessed_at_its_mean_is_wrong_by_a_third():
    found = samples("adding", samples=20_000, length=10)
    assert np.abs(found.targets - 1).mean() == pytest.approx(1 / 3, abs=0.01)
    assert found.targets.var() == pytest.approx(1 / 6, abs=0.01)


def texts(found):
    return [[found.vocabulary[word] for word in row if word] for row in found.inputs]


def said(text):
    """What each clause says: an adjective's sense, turned around by a "not" before it."""
    clauses, negated = [], False
    for word in text:
        if word == "not":
            negated = True
        elif word in GOOD or word in BAD:
            clauses.append((word in GOOD) != negated)
            negated = False
    return clauses


def test_reviews_are_labelled_by_what_they_say():
    found = samples("reviews", samples=3000)
    for text, target in zip(texts(found), found.targets, strict=True):
        assert said(text) in ([bool(target)], [bool(target)] * 2)
        for place, word in enumerate(text):
            if word == "not":  # it stands before its adjective, with at most a degree between
                following = text[place + 1 : place + 3]
                assert following[following[0] in DEGREES] in {*GOOD, *BAD}
    assert not set(GOOD) & set(BAD)
    assert np.bincount(found.targets).min() > 1400


def test_reviews_are_padded_in_front_and_use_every_word():
    found = samples("reviews", samples=3000)
    assert found.inputs.shape == (3000, MAX_WORDS)
    assert found.inputs.dtype == np.int64
    real = found.inputs != 0
    assert real[:, -1].all()
    assert (np.diff(real.astype(int), axis=1) >= 0).all()
    assert real.sum(1).max() <= MAX_WORDS
    assert real.sum(1).min() >= 4
    assert found.vocabulary[0] == ""
    assert len(set(found.vocabulary)) == len(found.vocabulary)
    assert set(np.unique(found.inputs)) == set(range(len(found.vocabulary)))
    assert {*GOOD, *BAD, *DEGREES, *LINKS, "not"} <= set(found.vocabulary)


def test_no_word_but_the_adjective_tells():
    """Neither "not" alone nor the length gives the label away: both are drawn without regard to it."""
    found = samples("reviews", samples=20_000)
    nots = (found.inputs == found.vocabulary.index("not")).sum(1)
    assert abs(np.corrcoef(nots, found.targets)[0, 1]) < 0.03
    assert abs(np.corrcoef((found.inputs != 0).sum(1), found.targets)[0, 1]) < 0.03


def test_a_bag_of_words_stays_clearly_below_a_sequence_model():
    def accuracy(model):
        values = {"data": "reviews", "data__samples": 2000, "learning_rate": 0.003, "batch_size": 32}
        return go(small(**values, model=model, epochs=8))[0].validation["metric"]

    bag, sequence = accuracy("mlp"), accuracy("gru")
    assert sequence > 0.97
    assert bag < sequence - 0.1


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_xor_is_the_exclusive_or_of_the_signs(noise):
    found = samples("xor", samples=4000, noise=noise)
    right = (found.inputs[:, 0] > 0) ^ (found.inputs[:, 1] > 0) == found.targets.astype(bool)
    assert right.mean() == 1 if noise == 0 else right.mean() > 0.97
    assert np.bincount(found.targets).min() > 1850
    for column in range(2):  # neither coordinate alone tells
        assert abs(np.corrcoef(found.inputs[:, column], found.targets)[0, 1]) < 0.05


def test_xor_needs_a_hidden_layer():
    values = {"data": "xor", "data__samples": 500, "learning_rate": 0.01, "batch_size": 32, "epochs": 10}
    assert go(small(**values, model__layers="16"))[0].validation["metric"] > 0.95
    straight = small(**values, model__layers="", model__depth=0)
    assert go(straight)[0].validation["metric"] < 0.8


@pytest.mark.parametrize("name", ["adding", "reviews", "xor"])
def test_drawn_by_their_own_seed(name):
    one, again, other = (samples(name, samples=50, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.inputs, again.inputs)
    assert np.array_equal(one.targets, again.targets)
    assert not np.array_equal(one.inputs, other.inputs)
