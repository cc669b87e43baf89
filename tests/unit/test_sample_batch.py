"""The samples that are shown are those of the first batch, in their own units, with the labels that the loss compares with."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
import torch
from engine_runs import small, summed
from PIL import Image

from pages.widgets.samples import samples_html
from trainer.engine.build import build
from trainer.preflight.dry_run import dry_run, first_batch, question_of
from trainer.preflight.sample_batch import MAX_SAMPLES, MAX_SIDE, _pixels
from trainer.settings import Settings


def gallery(tmp_path, **values):
    config = small(**values)
    run = build(config, tmp_path)
    return dry_run(question_of(config), Settings(home=tmp_path))["gallery"], run, first_batch(run)


def image(text, shape):
    return np.frombuffer(b64decode(text), np.uint8).reshape(shape)


def test_images_are_those_of_the_data_set_whatever_their_scaling(tmp_path):
    for scaling in ("standardize", "none"):
        found, run, index = gallery(tmp_path, data="digits", batch_size=64, input_scaling=scaling)
        assert (found["kind"], found["shape"], found["changed"]) == ("images", [8, 8, 1], False)
        assert len(found["items"]) == MAX_SAMPLES
        pixels = run.data.train.inputs[index[0]] * run.data.deviation + run.data.mean
        expected = (pixels[0] * 255).round().clamp(0, 255).permute(1, 2, 0).numpy()
        first = found["items"][0]
        assert np.array_equal(image(first["before"], [8, 8, 1]), expected)
        assert first["after"] == first["before"]
        assert first["label"] == str(int(run.data.train.targets[index[0]]))
        assert first["asked"] == [[first["label"], 1.0]]


def test_augmented_images_are_those_of_step_0(tmp_path):
    found, run, index = gallery(
        tmp_path,
        data="digits",
        batch_size=64,
        rotation="rotate",
        rotation__degrees=40,
        horizontal_flip="flip",
    )
    assert found["changed"]
    changed, _ = run.augment(run.data.train.inputs[index], run.data.train.targets[index], 0)
    shown = changed * run.data.deviation + run.data.mean
    for place, item in enumerate(found["items"]):
        plain = run.data.train.inputs[index[place]]
        assert image(item["before"], [8, 8, 1])[..., 0].tolist() == (plain[0] * 255).round().int().tolist()
        assert (
            np.abs(image(item["after"], [8, 8, 1])[..., 0] - (shown[place, 0] * 255).numpy()).max() <= 0.501
        )
    assert any(item["before"] != item["after"] for item in found["items"])


def test_mixed_and_smoothed_labels_are_what_the_loss_compares_with(tmp_path):
    found, run, index = gallery(
        tmp_path, data="digits", batch_size=64, mixing="mixup", mixing__alpha=5, label_smoothing__amount=0.2
    )
    _, wanted = run.augment(run.data.train.inputs[index], run.data.train.targets[index], 0)
    smooth = 0.8 * wanted + 0.2 / 10
    for place, item in enumerate(found["items"]):
        largest = smooth[place].sort(descending=True).values
        assert [share for _, share in item["asked"]] == pytest.approx(largest[:3].tolist(), abs=1e-6)
    logits = torch.randn(64, 10)
    by_hand = -(smooth * logits.log_softmax(1)).sum(1).mean()
    assert float(run.loss(logits, wanted)) == pytest.approx(float(by_hand), rel=summed(64 * 10))


def test_texts_rows_and_sequences(tmp_path):
    texts, run, index = gallery(tmp_path, data="reviews", batch_size=64, model="lstm")
    words = [run.data.samples.vocabulary[word] for word in run.data.train.inputs[index[0]].tolist() if word]
    assert texts["kind"] == "texts"
    assert texts["items"][0]["before"] == " ".join(words)
    rows, run, index = gallery(tmp_path, data="two_moons", mixing="mixup", mixing__alpha=5)
    expected = run.data.train.inputs[index[0]] * run.data.deviation[0] + run.data.mean[0]
    assert rows["kind"] == "rows"
    assert rows["items"][0]["before"] == pytest.approx(expected.tolist(), abs=1e-5)
    assert any(item["before"] != item["after"] for item in rows["items"])
    numbers, run, index = gallery(tmp_path, data="delivery_time", data__samples=100)
    shown = [item["label"][0] for item in numbers["items"]]
    assert shown == pytest.approx(
        [
            float(run.data.train.targets[row]) * run.data.target_scale + run.data.target_mean
            for row in index[:MAX_SAMPLES]
        ]
    )
    assert set(np.float32(shown).round(3)) <= set(run.data.samples.targets[:, 0].round(3))
    assert numbers["items"][0]["asked"] == []
    steps, _, _ = gallery(tmp_path, data="adding", data__length=6, model="rnn")
    assert (steps["kind"], steps["items"]) == ("none", [])


def test_large_images_are_thinned_and_odd_values_stay_pixels():
    large = torch.rand(3, 200, 150)
    assert len(b64decode(_pixels(large))) == 3 * 67 * 50
    assert max(67, 50) <= MAX_SIDE
    odd = torch.tensor([[[float("nan"), -1.0], [2.0, float("inf")]]])
    assert list(b64decode(_pixels(odd))) == [0, 0, 255, 255]


def test_the_page_draws_each_kind_and_escapes_names(tmp_path):
    found, *_ = gallery(tmp_path, data="digits", batch_size=64, mixing="mixup")
    found["items"][0]["label"] = "<script>alert(1)</script>"
    found["items"][0]["asked"] = [["<b>", 0.7], ["x" * 99, 0.3]]
    html = samples_html(found)
    assert "<script>" not in html
    assert "“&lt;b&gt;” 70%" in html
    assert html.count("<img") == 2 * MAX_SAMPLES
    png = html.split("base64,")[1].split('"')[0]
    assert Image.open(BytesIO(b64decode(png))).size == (8, 8)
    for values in ({"data": "reviews", "model": "lstm"}, {"data": "two_moons"}, {"data": "delivery_time"}):
        html = samples_html(gallery(tmp_path, batch_size=64, **values)[0])
        assert html.count("<li>") == MAX_SAMPLES
