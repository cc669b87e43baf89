"""Worked examples of data sets, input scaling and augmentation: what they show is what the function does."""

import math
import re

import numpy as np
import own_files
import pytest
from example_answers import columns, example, images, near, table

from trainer.examples import answer, question_of
from trainer.registry import families, find
from trainer.settings import get_settings


@pytest.mark.parametrize("family", [f.name for f in families().values() if f.group == "augmentation"])
def test_pictures_are_the_batch_after_the_function(settings, family):
    for name in families()[family].techniques:
        first, *others = images(example(settings, family, name))
        if family == "mixing":
            continue
        assert len(others) == 5
        same = [np.array_equal(first, other) for other in others]
        assert all(same) if name == "none" else not all(same)
        if name == "flip":
            assert all(
                np.array_equal(other, first) or np.array_equal(other, first[:, ::-1]) for other in others
            )
        if name == "erase":
            for other, kept in zip(others, same, strict=True):
                blank = (other == 0).all(2)
                assert np.array_equal(np.where(blank[..., None], first, other), first)
                assert kept or 0.01 < blank.mean() < 0.37
        if name == "jitter":
            assert all(other.shape == first.shape for other in others)


def test_mixed_images_and_labels_agree(settings):
    """λ read off the pixels is λ of the label."""
    for name in ("mixup", "cutmix"):
        found = example(settings, "mixing", name)
        batch, results = images(found)[:4], images(found)[4:]
        for (_, share, label), mixed in zip(table(found), results, strict=True):
            shares = {int(digit): float(part) for part, digit in re.findall(r"([\d.]+) · (\d)", label)}
            assert sum(shares.values()) == pytest.approx(1, abs=2e-3)
            partner = batch[next((digit for digit in shares if digit != 0), 0)]  # the batch is 0, 1, 2, 3
            differs = np.abs(batch[0] - partner) > 0.2
            if not differs.any():
                continue
            if name == "mixup":
                ratio = (mixed - partner)[differs] / (batch[0] - partner)[differs]
                near(ratio, share, rel=0, abs=0.03)
            else:
                assert all(
                    mixed[tuple(place)] in (batch[0][tuple(place)], partner[tuple(place)])
                    for place in np.argwhere(differs)
                )


def test_texts_change_as_their_names_say(settings):
    for name, family in {
        "delete": "random_deletion",
        "swap": "random_swap",
        "replace": "synonym_replacement",
        "insert": "random_insertion",
    }.items():
        for before, *others in table(example(settings, family, name)):
            words = before.split()
            for other in (after.split() for after in others):
                if name == "delete":
                    rest = iter(words)
                    assert all(word in rest for word in other)
                elif name == "swap":
                    assert sorted(words) == sorted(other)
                else:
                    assert len(other) >= len(words)
    for family in ("random_swap", "back_translation"):
        assert all(len(set(row)) == 1 for row in table(example(settings, family, "none")))


def test_input_scaling(settings):
    train = np.array([(1, 200), (2, 400), (3, 600), (4, 400)], dtype=float)
    mean, deviation = train.mean(0), train.std(0)
    found = example(settings, "input_scaling", "standardize")
    near([row[1:] for row in table(found)], [mean, deviation])
    near([row[2:] for row in table(found, 1)], (train - mean) / deviation)
    near(table(found, 2)[0][2:], (np.array([5, 100]) - mean) / deviation)
    near([row[2:] for row in table(example(settings, "input_scaling", "none"), 1)], train)


def test_data_sets_show_their_first_samples(settings):
    distance, traffic, preparation, _, minutes = columns(table(example(settings, "data", "delivery_time")))
    expected = 8.6 + 7.3 * np.array(distance) + 0.8 * np.array(preparation) + 1.5 * np.array(traffic)
    assert np.abs(np.array(minutes) - expected).max() < 16, "four standard deviations of the noise"
    found = find("data", "reviews").function(settings.data)
    text, label = table(example(settings, "data", "reviews"))[0]
    assert text.split() == [found.vocabulary[word] for word in found.inputs[0] if word]
    assert label == found.classes[found.targets[0]]
    digits = images(example(settings, "data", "digits"))
    near(digits[0][..., 0], find("data", "digits").function(settings.data).inputs[0, 0], rel=0, abs=1 / 255)


def test_your_own_data_shows_its_first_samples(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
    for file in (own_files.csv_bytes(), own_files.zip_bytes(own_files.image_files())):
        values = own_files.added_values(file)
        knobs = {key.removeprefix("data."): value for key, value in values.items() if key.startswith("data.")}
        found = answer(question_of(find("data", values["data"]), knobs), get_settings())
        if values["data"] == "csv":
            assert len(table(found)) == 5
            assert all(math.isfinite(value) for row in table(found) for value in row[:-1])
        else:
            assert len(images(found)) == 8
