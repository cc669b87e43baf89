"""Worked examples of a training step: optimizers, clipping, label smoothing and precision, beside a computation by hand."""

import math
import re

import numpy as np
import pytest
import torch
from example_answers import columns, example, line, near, table

from trainer.registry import families

GRADIENTS = (0.1, 0.2, -0.3, 0.1)


def by_hand(name):
    """(buffers…, weight) after each gradient, in double precision."""
    weight, m, v, rows = 1.0, 0.0, 0.0, []
    for step, g in enumerate(GRADIENTS, start=1):
        if name == "sgd":
            change, kept = -0.1 * g, ()
        elif name in ("momentum", "nesterov"):
            m = 0.9 * m + g
            change, kept = -0.1 * (g + 0.9 * m if name == "nesterov" else m), (m,)
        elif name == "rmsprop":
            v = 0.99 * v + 0.01 * g * g
            change, kept = -0.1 * g / (math.sqrt(v) + 1e-8), (v,)
        else:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            kept = (m, v, m / (1 - 0.9**step), v / (1 - 0.999**step))
            change = -0.1 * kept[2] / (math.sqrt(kept[3]) + 1e-8)
            change -= 0.1 * 0.01 * weight if name == "adamw" else 0
        weight += change
        rows.append([step, g, *kept, change, weight])
    return rows


@pytest.mark.parametrize("name", families()["optimizer"].techniques)
def test_optimizers_step_by_step(settings, name):
    near(table(example(settings, "optimizer", name)), by_hand(name), rel=2e-5, abs=1e-7)


def test_adam_is_torchs_adam(settings):
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    adam = torch.optim.Adam([weight], lr=0.1)
    for row in table(example(settings, "optimizer", "adam")):
        weight.grad = torch.tensor([row[1]], dtype=torch.float64)
        adam.step()
        near(row[-1], float(weight.detach()))
        near(row[2], float(adam.state[weight]["exp_avg"]))


def test_the_ravine_is_gone_down_by_the_rule(settings):
    x, y = line(example(settings, "optimizer", "sgd"))
    near(x, 4 * (1 - 0.01) ** np.arange(41), rel=1e-5)
    near(y, (1 - 0.01 * 25) ** np.arange(41), rel=1e-5)


def test_clipping(settings):
    given = np.array([(3, 4), (0.3, 0.4), (0.1, -3)])
    norm = np.linalg.norm(given, axis=1)
    expected = {
        "none": given,
        "by_norm": given * np.minimum(1, 1 / norm)[:, None],
        "by_value": given.clip(-0.5, 0.5),
    }
    for name, after in expected.items():
        rows = table(example(settings, "clipping", name))
        near([row[:2] for row in rows], given)
        near([row[2] for row in rows], norm)
        near([row[3:5] for row in rows], after, rel=2e-6)
        near([row[5] for row in rows], np.linalg.norm(after, axis=1), rel=2e-6)
        clipped = [row[6] for row in rows]
        assert clipped == (["–"] * 3 if name == "none" else ["yes", "no", "yes"])


def test_label_smoothing(settings):
    found = example(settings, "label_smoothing", "smoothing")
    logits = np.array([2.0, 1, 0, -1])
    chances = np.exp(logits) / np.exp(logits).sum()
    targets = np.array([0.925, 0.025, 0.025, 0.025])
    _, shown, softmax, asked, gradient = columns(table(found))
    near(shown, logits)
    near(softmax, chances)
    near(asked, targets, abs=1e-6)
    near(gradient, chances - targets, abs=1e-6)
    loss = float(re.search(r"loss is ([\d.]+)\.", found["says"])[1])
    assert loss == pytest.approx(-(targets * np.log(chances)).sum(), abs=1e-4)


def test_precision(settings):
    kept = {name: table(example(settings, "precision", name)) for name in ("fp32", "fp16", "bf16")}
    numbers = np.array([row[0] for row in kept["fp32"]])
    near([row[1] for row in kept["fp32"]], numbers.astype(np.float32), rel=0, abs=0)
    halves = numbers[:-1].astype(np.float32).astype(np.float16)
    assert [row[1] for row in kept["fp16"]][:-1] == halves.astype(float).tolist()
    assert kept["fp16"][-1][1:] == ["∞", "overflow"]
    bits = numbers.astype(np.float32).view(np.uint32)  # the upper half, rounded to even
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)
    near([row[1] for row in kept["bf16"]], rounded, rel=0, abs=0)


def test_loss_scaling_saves_small_gradients_and_halves_after_an_overflow(settings):
    small, overflow, again = table(example(settings, "precision", "fp16"), 1)
    assert small[1] == float(np.float16(1e-8)) == 0
    near(small[3], float(np.float16(1e-8 * 65536)) / 65536, rel=1e-6)
    assert (small[2], small[4], small[5]) == (65536, "taken", 65536)
    assert overflow == ["∞", "∞", 65536, "∞", "skipped", 32768]
    assert (again[2], again[4], again[5]) == (32768, "taken", 32768)
