"""Before step 1: the numbers are those of the run's own first step, and looking leaves no trace."""

import math
from itertools import pairwise

import pytest
import torch
from engine_runs import exact, go, small, summed, trainer_of
from test_contract import each, using

from trainer.config import ConfigError, RunConfig
from trainer.data import DataError
from trainer.engine.build import build
from trainer.preflight.activation_hooks import hook_points
from trainer.preflight.dry_run import IRRELEVANT_KNOBS, dry_run, first_batch, question_of
from trainer.preflight.findings import observations
from trainer.processes.inspection import answer
from trainer.settings import Settings


def look(tmp_path, **values):
    return dry_run(question_of(small(**values)), Settings(home=tmp_path, data_folder=tmp_path))


def by_layer(rows, value):
    return {row["layer"]: row[value] for row in rows}


CONFIGS = [
    {},
    {"optimizer": "sgd", "normalization": "batch", "dropout__rate": 0.5, "dropout__input_rate": 0.2},
    {"data": "digits", "batch_size": 256, "model": "cnn", "rotation": "rotate", "mixing": "mixup"},
    {"data": "digits", "batch_size": 256, "model": "resnet", "mixing": "cutmix", "dropout__conv_rate": 0.3},
    {"data": "adding", "data__length": 6, "model": "lstm", "model__depth": 2, "dropout__recurrent_rate": 0.4},
    {"data": "reviews", "batch_size": 256, "model": "transformer", "label_smoothing__amount": 0.1},
    {"precision": "bf16", "data__samples": 200},
]


@pytest.mark.parametrize("values", CONFIGS)
def test_loss_and_gradient_are_those_of_the_runs_first_step_bit_for_bit(values, tmp_path):
    found = look(tmp_path, **values)
    log = go(small(**values, epochs=1))[1]
    assert found["loss"].hex() == log.losses[0].hex()
    assert found["grad_norm"].hex() == log.column("grad_norm")[0].hex()


@pytest.mark.parametrize("values", CONFIGS)
def test_a_run_after_an_inspection_equals_one_without(values, tmp_path):
    config = small(**values, epochs=1)
    alone = go(config)[1]
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    dry_run(question_of(config), Settings(home=tmp_path))
    assert torch.equal(torch.random.get_rng_state(), state), "the caller's own stream moved"
    after = go(config)[1]
    assert exact(after.steps) == exact(alone.steps)
    assert exact(after.epochs) == exact(alone.epochs)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", [0, 7])
def test_the_first_batch_is_the_loops(seed):
    trainer, _ = trainer_of(small(seed=seed))
    assert torch.equal(first_batch(trainer.run), next(trainer.batches()))


def test_sizes_and_norms_by_hand(tmp_path):
    """A two-layer network computed with plain matrix products."""
    config = small(model__layers="8-5", activation="tanh")
    found = dry_run(question_of(config), Settings(home=tmp_path))
    run = build(config, tmp_path)
    index = first_batch(run)
    x, y = run.data.train.inputs[index], run.data.train.targets[index]
    weights = {name: value.detach().clone().requires_grad_() for name, value in run.model.named_parameters()}
    bound = 10 * summed(max(x.shape[0] * 8, run.parameters))  # three layers there and back, each of sums
    first = torch.tanh(x @ weights["hidden1.linear.weight"].T + weights["hidden1.linear.bias"])
    second = torch.tanh(first @ weights["hidden2.linear.weight"].T + weights["hidden2.linear.bias"])
    logits = second @ weights["output.weight"].T + weights["output.bias"]
    loss = (logits.logsumexp(1) - logits[torch.arange(len(y)), y]).mean()
    loss.backward()
    seen = {"hidden1.linear": first, "hidden2.linear": second, "output": logits}
    assert by_layer(found["activations"], "std") == pytest.approx(
        {name: float(value.detach().std(correction=0)) for name, value in seen.items()}, rel=bound
    )
    assert by_layer(found["activations"], "mean") == pytest.approx(
        {name: float(value.detach().mean()) for name, value in seen.items()}, abs=bound
    )
    norms = {
        layer: math.hypot(*(float(weights[f"{layer}.{kind}"].grad.norm()) for kind in ("weight", "bias")))
        for layer in seen
    }
    assert by_layer(found["gradients"], "grad_norm") == pytest.approx(norms, rel=bound)
    assert found["grad_norm"] == pytest.approx(math.hypot(*norms.values()), rel=bound)
    assert found["loss"] == pytest.approx(float(loss.detach()), rel=bound)
    assert by_layer(found["gradients"], "parameters") == {
        "hidden1.linear": 24,
        "hidden2.linear": 45,
        "output": 12,
    }
    assert found["parameters"] == 81
    assert found["input_std"] == pytest.approx(float(x.std(correction=0)))


def spread(tmp_path, **values):
    found = look(tmp_path, data="digits", batch_size=128, model__layers="-".join(["100"] * 6), **values)
    return [row["std"] for row in found["activations"]], found


def test_too_small_weights_vanish_and_too_large_explode(tmp_path):
    small_, found = spread(tmp_path, initialization="too_small", initialization__std=0.001)
    assert all(later < 0.05 * earlier for earlier, later in pairwise(small_))
    assert [one.good for one in observations(found)] == [True, False, False]
    assert "vanish" in observations(found)[1].text
    large, found = spread(tmp_path, initialization="too_large", initialization__std=1.0)
    assert all(later > 3 * earlier for earlier, later in pairwise(large))
    assert [one.good for one in observations(found)] == [False, False, False]
    assert "explode" in observations(found)[1].text


def test_kaiming_keeps_relu_and_lecun_keeps_selu_at_one(tmp_path):
    stds, found = spread(tmp_path, initialization="kaiming_normal", activation="relu")
    assert all(0.4 < std < 2 for std in stds)
    assert all(one.good for one in observations(found))
    stds, found = spread(tmp_path, initialization="lecun_normal", activation="selu")
    assert all(0.7 < std < 1.4 for std in stds[:-1])
    assert all(one.good for one in observations(found))


def test_zeros_pass_no_gradient(tmp_path):
    _, found = spread(tmp_path, initialization="zeros")
    norms = by_layer(found["gradients"], "grad_norm")
    assert norms.pop("output") > 0
    assert set(norms.values()) == {0.0}
    assert "receives no gradient" in observations(found)[2].text


def test_sigmoid_shrinks_the_gradient_towards_the_input(tmp_path):
    _, found = spread(tmp_path, initialization="xavier_normal", activation="sigmoid")
    norms = [row["grad_norm"] for row in found["gradients"]]
    assert norms[0] < 0.01 * norms[-1]


def test_batch_norm_puts_every_layer_at_one(tmp_path):
    stds, _ = spread(tmp_path, normalization="batch", activation="tanh", initialization="too_small")
    assert all(0.5 < std < 0.8 for std in stds[:-1])  # tanh of a standard normal has 0.63


def test_the_loss_is_that_of_guessing_where_outputs_are_near_zero(tmp_path):
    found = look(tmp_path, data="digits", batch_size=64, initialization="too_small")
    assert found["baseline"] == pytest.approx(math.log(10))
    assert found["loss"] == pytest.approx(found["baseline"], abs=1e-3)
    smoothed = look(
        tmp_path, data="digits", batch_size=64, initialization="too_small", label_smoothing__amount=0.3
    )
    assert smoothed["loss"] == pytest.approx(math.log(10), abs=1e-3)
    numbers = look(tmp_path, data="delivery_time", data__samples=300, initialization="too_small")
    assert numbers["loss"] == pytest.approx(numbers["baseline"], rel=1e-3)


def test_float16_overflows_are_counted_as_training_skips_them(tmp_path):
    values = {
        "data": "digits",
        "batch_size": 64,
        "precision": "fp16",
        "initialization": "too_large",
        "model__layers": "64-64-64",
    }
    found = look(tmp_path, **values)
    log = go(small(**values, epochs=3))[1]
    skipped = next(place for place, norm in enumerate(log.column("grad_norm")) if math.isfinite(norm))
    assert found["overflows"] > 0
    assert found["overflows"] == skipped
    assert found["loss_scale"] == log.column("loss_scale")[skipped]
    assert math.isfinite(found["grad_norm"])
    assert "skipped" in observations(found)[-1].text


def test_a_loss_that_is_not_finite_is_told_and_not_waited_for(tmp_path):
    found = look(
        tmp_path,
        data="digits",
        batch_size=64,
        precision="fp16",
        initialization="too_large",
        initialization__std=100,
    )
    assert not math.isfinite(found["loss"])
    assert [one.good for one in observations(found)] == [False, False, False]


@each
def test_every_technique_can_be_inspected(family, name, tmp_path):
    config = using(family, name, tmp_path)
    found = answer("before", question_of(config), Settings(home=tmp_path, data_folder=tmp_path))
    assert math.isfinite(found["loss"])
    assert found["parameters"] == build(config, tmp_path).parameters
    assert sum(row["parameters"] for row in found["gradients"]) == found["parameters"]
    assert found["activations"][-1]["layer"] == "output"
    assert {row["layer"] for row in found["activations"]} >= {
        row["layer"] for row in found["gradients"] if "Norm" not in row["kind"]
    }
    assert len(observations(found)) >= 3


def test_layers_are_in_the_order_of_the_pass_and_blocks_after_their_parts(tmp_path):
    found = look(tmp_path, data="digits", batch_size=64, model="resnet")
    assert list(by_layer(found["activations"], "std")) == [
        "stem.conv",
        "stage1_block1.body.first.conv",
        "stage1_block1.body.second.conv",
        "stage1_block1",
        "stage2_block1.body.first.conv",
        "stage2_block1.body.second.conv",
        "stage2_block1.skip",
        "stage2_block1",
        "output",
    ]


def test_a_layer_is_measured_after_norm_and_activation_but_before_dropout():
    model = build(small(normalization="batch", dropout__rate=0.5), "nowhere").model
    assert hook_points(model) == {
        "hidden1.activation": "hidden1.linear",
        "hidden2.activation": "hidden2.linear",
        "output": "output",
    }


def test_what_only_later_steps_know_asks_nothing_new():
    config = RunConfig()
    same = config.changed(
        {
            "learning_rate": 0.5,
            "schedule": "cosine",
            "epochs": 3,
            "clipping": "by_norm",
            "early_stopping": "patience",
        }
    )
    assert question_of(same) == question_of(config)
    assert question_of(config.changed({"seed": 1})) != question_of(config)
    assert set(RunConfig.model_fields) >= set(IRRELEVANT_KNOBS) - {"health"}


def test_impossible_runs_are_refused_with_their_sentence(tmp_path):
    with pytest.raises(ConfigError, match="parameters; the limit is"):
        look(tmp_path, model__layers="9999-9999-9999")
    with pytest.raises(DataError, match="mnist"):
        look(tmp_path, data="mnist")
    with pytest.raises(ConfigError, match="seed is -1"):
        dry_run({"config": {"seed": -1}}, Settings(home=tmp_path))


def test_the_first_look_of_the_health_view_sees_the_same(tmp_path):
    values = {
        "data": "digits",
        "batch_size": 64,
        "model": "cnn",
        "normalization": "batch",
        "dropout__rate": 0.3,
    }
    found = look(tmp_path, **values)
    first = go(small(**values, epochs=1))[1].samples[0]
    assert first["step"] == 1
    sizes = {row["seen_at"]: row for row in found["activations"]}
    norms = by_layer(found["gradients"], "grad_norm")
    bound = summed(found["parameters"])
    for name, value in first.items():
        what, _, place = name.partition("/")
        if what in ("act_std", "act_mean") and place in sizes:
            assert sizes[place][what.removeprefix("act_")] == pytest.approx(value, rel=bound, abs=1e-6), name
        if what == "grad_norm":
            assert norms[place] == pytest.approx(value, rel=bound), name
    assert {"act_std/block1.activation", "grad_norm/block1.conv"} <= first.keys()
    assert "block1.activation" in sizes
