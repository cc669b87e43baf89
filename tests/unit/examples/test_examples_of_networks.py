"""Worked examples of normalization, dropout, initialization, activations and models, beside the formula."""

import math

import numpy as np
import pytest
from example_answers import example, line, near, table

from trainer.registry import families


def test_normalization(settings):
    given = np.array([(1, 3, 5, 7), (3, 5, 7, 1), (5, 7, 1, 3), (7, 1, 3, 5)], dtype=float)

    def normalized(values, axis):
        return (values - values.mean(axis, keepdims=True)) / np.sqrt(values.var(axis, keepdims=True) + 1e-5)

    def shown(name, number):
        return [row[1:] for row in table(example(settings, "normalization", name), number)]

    for name in ("none", "batch", "layer", "group"):
        near(shown(name, 0), given)
    near(shown("none", 1), given)
    near(shown("batch", 1), normalized(given, 0), abs=1e-6)
    near([row[0] for row in shown("batch", 1)], [-1.342, -0.447, 0.447, 1.342], rel=0, abs=5e-4)
    near(shown("batch", 2), (given - 0.4) / np.sqrt(0.9 + 0.1 * 20 / 3 + 1e-5), abs=1e-6)
    near(shown("batch", 3), [[0.4] * 4, [0.9 + 0.1 * 20 / 3] * 4], abs=1e-6)
    for number in (1, 2):
        near(shown("layer", number), normalized(given, 1), abs=1e-6)
        near(shown("group", number), normalized(given.reshape(4, 2, 2), 2).reshape(4, 4), abs=1e-6)


def test_dropout_doubles_what_it_keeps_and_keeps_the_mean(settings):
    rows = {name: values for name, *values in table(example(settings, "dropout", "dropout"))}
    units = np.arange(1.0, 9)
    near(rows["input"], units)
    near(rows["evaluation"], units)
    for name in ("training, one step", "training, the next"):
        ratio = np.array(rows[name]) / units
        assert set(ratio) == {0.0, 2.0}
    assert rows["training, one step"][0] == 2
    assert rows["training, one step"][2] == 6
    near(np.array(rows["mean of 10,000 steps"]) / units, 1, rel=0, abs=0.05)


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("kaiming_normal", 2 / 128),
        ("kaiming_uniform", 2 / 128),
        ("xavier_normal", 2 / 384),
        ("xavier_uniform", 2 / 384),
        ("lecun_normal", 1 / 128),
        ("orthogonal", 1 / 256),
        ("pytorch_default", 1 / (3 * 128)),
        ("constant", 0),
        ("zeros", 0),
        ("too_small", 0.001**2),
        ("too_large", 1),
    ],
)
def test_initialization_measures_the_variance_that_the_formula_says(settings, name, variance):
    rows = {label: values for label, *values in table(example(settings, "initialization", name))}
    measured, formula = rows["variance"]
    near(formula, variance)
    near(measured, variance, rel=0.02)
    near(rows["mean"][0], 0.1 if name == "constant" else 0, rel=1e-6, abs=0.02 * math.sqrt(variance))
    widest = {"kaiming_uniform": math.sqrt(6 / 128), "xavier_uniform": math.sqrt(6 / 384)}
    if name in widest or name == "pytorch_default":
        bound = widest.get(name, 1 / math.sqrt(128))
        assert 0.99 * bound < rows["largest"][0] <= bound
    sizes = line(example(settings, "initialization", name), 1)[1]
    square = 1 / 128 if name.startswith("xavier") else variance  # of its layers from 128 to 128
    growth = 128 * square / 2  # of the mean square, by one ReLU layer
    if name not in ("constant", "zeros", "orthogonal"):
        near(sizes[-1] - sizes[0], 8 * math.log10(growth) / 2, rel=0, abs=0.25)


def test_kaiming_follows_the_fan(settings):
    rows = table(example(settings, "initialization", "kaiming_normal", mode="fan_out"))
    near(rows[1][2], 2 / 256)
    near(rows[1][1], 2 / 256, rel=0.02)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("leaky_relu", lambda x: np.where(x > 0, x, 0.01 * x)),
        ("gelu", lambda x: x * np.array([(1 + math.erf(v / math.sqrt(2))) / 2 for v in x])),
        (
            "selu",
            lambda x: (
                1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
            ),
        ),
        ("tanh", np.tanh),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
    ],
)
def test_activations_and_their_derivatives(settings, name, function):
    found = example(settings, "activation", name)
    x, y = line(found, name="f(x)")
    _, slope = line(found, name="f′(x)")
    near(y, function(x), rel=1e-9, abs=1e-12)
    smooth = np.abs(x) > 1e-3  # a bend has no derivative
    near(slope[smooth], ((function(x + 1e-6) - function(x - 1e-6)) / 2e-6)[smooth], rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("mlp", 64 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10),
        ("cnn", 16 * 9 + 16 + 32 * 16 * 9 + 32 + 32 * 4 * 64 + 64 + 64 * 10 + 10),
        ("rnn", 64 * (2 + 64) + 2 * 64 + 65),
        ("lstm", 4 * (64 * (2 + 64) + 2 * 64) + 65),
        ("gru", 3 * (64 * (2 + 64) + 2 * 64) + 65),
    ],
)
def test_models_are_counted(settings, name, parameters):
    found = example(settings, "model", name)
    assert found["says"].startswith(f"{parameters:,} parameters")
    assert sum(row[3] for row in table(found)) == parameters


@pytest.mark.parametrize("name", families()["model"].techniques)
def test_every_parameter_is_in_the_table_and_the_last_shape_is_the_output(settings, name):
    found = example(settings, "model", name)
    total = int(found["says"].split(" ")[0].replace(",", ""))
    rows = table(found)
    assert sum(row[3] for row in rows) == total
    assert rows[-1][2] in ("2 × 10", "2 × 1")
    assert "–" not in [row[2] for row in rows]
