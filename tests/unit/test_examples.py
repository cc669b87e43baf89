"""The worked examples: made by the code that trains, and equal to a computation that is not."""

import json
import math
import re

import numpy as np
import own_files
import pytest
import text_files
import torch
import vision_files

from trainer.config import ConfigError
from trainer.data import DataError
from trainer.examples import answer, makers, question_of
from trainer.processes.inspection import answer as inspect
from trainer.registry import families, find
from trainer.settings import Settings, get_settings

ALL = [
    (family.name, name)
    for family in families().values()
    for name, item in family.techniques.items()
    if "own" not in item.facts  # these need a file
]
TOLERANCE = 1e-6  # relative, of float32 numbers


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """With everything in the data folder that any example needs."""
    found = Settings(home=tmp_path_factory.mktemp("home"))
    text_files.write_wordnet(found.data)
    text_files.write_translators(found.data)
    for name, item in families()["data"].techniques.items():
        if "files" in item.facts:
            vision_files.write(name, found.data)
    return found


def example(settings, family, name, **knobs):
    """The answer, as it reaches a page: after a journey through JSON."""
    question = json.loads(json.dumps(question_of(find(family, name))))
    question["knobs"] |= knobs
    return json.loads(json.dumps(inspect("example", question, settings), allow_nan=False))


def table(found, number=0):
    return [part for part in found["parts"] if part["kind"] == "table"][number]["rows"]


def line(found, number=0, name=None):
    lines = [part for part in found["parts"] if part["kind"] == "plot"][number]["lines"]
    found = lines[0] if name is None else next(one for one in lines if one["name"] == name)
    return np.array(found["x"]), np.array(found["y"])


def columns(rows):
    return [list(values) for values in zip(*rows, strict=True)]


def near(one, other, rel=TOLERANCE, abs=1e-7):
    np.testing.assert_allclose(np.array(one, dtype=float), np.array(other, dtype=float), rtol=rel, atol=abs)


@pytest.mark.parametrize(("family", "name"), ALL)
def test_every_technique_has_an_example_that_runs(settings, family, name):
    found = example(settings, family, name)
    assert found["says"].endswith(".")
    assert found["parts"]
    for part in found["parts"]:
        assert part["caption"]
        if part["kind"] == "table":
            assert part["rows"]
            assert all(len(row) == len(part["columns"]) for row in part["rows"])
        elif part["kind"] == "plot":
            assert all(len(line["x"]) == len(line["y"]) > 1 for line in part["lines"])
        else:
            assert part["kind"] == "pictures"
            assert len(part["items"]) > 1
    assert found == example(settings, family, name), "the same at every look"


def test_an_example_leaves_the_random_numbers_of_others_alone(settings):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for family, name in ALL:
        answer(question_of(find(family, name)), settings)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_not_registered_or_not_possible_is_refused(settings, tmp_path):
    with pytest.raises(ConfigError, match=r"no technique called 'schedule\.cosin'"):
        answer({"family": "schedule", "technique": "cosin"}, settings)
    with pytest.raises(ConfigError, match="but must be"):
        answer({"family": "dropout", "technique": "dropout", "knobs": {"rate": 7}}, settings)
    bare = Settings(home=tmp_path)
    for family, name in (("synonym_replacement", "replace"), ("data", "mnist")):
        with pytest.raises(DataError, match=r"not installed yet|is not in"):
            answer(question_of(find(family, name)), bare)


def test_the_web_process_computes_only_what_needs_no_torch():
    assert {name for name, maker in makers().items() if not maker.torch} == {"schedule", "early_stopping"}
    assert set(makers()) == set(families())


# -- normalization, dropout, initialization ------------------------------------------------------------------


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


# -- a step --------------------------------------------------------------------------------------------------

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


# -- curves --------------------------------------------------------------------------------------------------


def schedule_by_hand(name):
    """The rate at (step, epoch) of a run of 100 epochs of 10 steps from 0.01, from each scheduler's definition."""
    eta = 0.01

    def cosine(start, end, done):
        return end + (start - end) * (1 + math.cos(math.pi * done)) / 2

    def restarts(epoch):
        return next(
            cosine(eta, 0, (epoch - first) / length) for first, length in ((70, 80), (30, 40), (10, 20), (0, 10))
            if epoch >= first
        )  # fmt: skip

    def one_cycle(step):
        peak = 0.3 * 1000 - 1
        if step <= peak:
            return cosine(eta / 25, eta, step / peak)
        return cosine(eta, eta / 25e4, (step - peak) / (999 - peak))

    return {
        "constant": lambda step, epoch: eta,
        "step": lambda step, epoch: eta * 0.1 ** (epoch // 30),
        "multi_step": lambda step, epoch: eta * 0.1 ** ((epoch >= 30) + (epoch >= 80)),
        "exponential": lambda step, epoch: eta * 0.95**epoch,
        "polynomial": lambda step, epoch: eta * (1 - epoch / 100),
        "cosine": lambda step, epoch: cosine(eta, 0.0001, epoch / 100),
        "warm_restarts": lambda step, epoch: restarts(epoch),
        "warmup_cosine": lambda step, epoch: (
            eta * (step + 1) / 50 if step < 50 else cosine(eta, 0, (step - 50) / 950)
        ),
        "one_cycle": lambda step, epoch: one_cycle(step),
        # The loss is best in epoch 21; every eleventh epoch without a better one halves the rate.
        "plateau": lambda step, epoch: eta * 0.5 ** max(0, (epoch - 21) // 11),
        "range_test": lambda step, epoch: 1e-7 * 1e7 ** (step / 999),
    }[name]


@pytest.mark.parametrize("name", families()["schedule"].techniques)
def test_schedules(settings, name):
    found, expected = example(settings, "schedule", name), schedule_by_hand(name)
    epochs, rates = line(found)
    near(rates, [expected(round(epoch * 10), int(epoch)) for epoch in epochs], rel=1e-9, abs=1e-15)
    for epoch, rate in table(found)[:-1]:
        assert rate == rates[epoch]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("cosine", {0: 0.0100, 25: 0.00855, 50: 0.00505, 75: 0.00155}),
        ("step", {1: 0.01, 29: 0.01, 30: 0.001, 59: 0.001, 60: 0.0001}),
    ],
)
def test_the_worked_numbers_of_schedules(settings, name, values):
    shown = dict(table(example(settings, "schedule", name)))
    for epoch, rate in values.items():
        assert shown[epoch] == pytest.approx(rate, abs=5e-6)


def test_early_stopping(settings):
    curve = [0.3 + 0.004 * (epoch - 12) ** 2 for epoch in range(1, 31)]
    found = example(settings, "early_stopping", "patience")
    assert "stops after epoch 22" in found["says"]
    assert "epoch 12 are restored" in found["says"]
    near(line(found)[1], curve[:22])
    for epoch, loss, best, left in table(found):
        assert loss == curve[epoch - 1]
        assert best == min(epoch, 12)
        assert left == 10 - max(0, epoch - 12)
    assert "All 30 epochs" in example(settings, "early_stopping", "none")["says"]


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


# -- pictures, texts, sets, models ---------------------------------------------------------------------------


def images(found):
    import base64

    (part,) = (part for part in found["parts"] if part["kind"] == "pictures")
    return [
        np.frombuffer(base64.b64decode(item["pixels"]), np.uint8).reshape(item["shape"]).astype(float) / 255
        for item in part["items"]
    ]


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
