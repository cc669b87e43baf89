"""Normalization, dropout, activations, and how networks are put together from them."""

import math

import pytest
import torch
from engine_runs import CPU, go, small
from torch import nn

from trainer.config import ConfigError, RunConfig
from trainer.engine.network import build_model
from trainer.registry import families, find

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)
DROPS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d)
LAYERS = (nn.Linear, nn.Conv2d, nn.RNN, nn.LSTM, nn.GRU)
MODELS = list(families()["model"].techniques)
NORMALIZED = [name for name in MODELS if not find("model", name).facts.get("own_normalization")]
EVERY_DROPOUT = {
    "dropout__rate": 0.5,
    "dropout__input_rate": 0.2,
    "dropout__conv_rate": 0.25,
    "dropout__recurrent_rate": 0.3,
}
NORM_NAMES = list(families()["normalization"].techniques)


def network(shape=(1, 8, 8), outputs=10, **values):
    config = RunConfig.from_flat({key.replace("__", "."): value for key, value in values.items()})
    return build_model(config, shape, outputs, CPU)


def leaves(module):
    return [child for child in module.modules() if not list(child.children())]


def executed(module, inputs):
    """The leaves in the order in which they run."""
    order = []
    for leaf in leaves(module):
        leaf.register_forward_hook(lambda leaf, inputs, output: order.append(leaf))
    module(inputs)
    return order


def norm_of(name, dimensions, features=6, **knobs):
    return find("normalization", name).function(features, dimensions, nn.ReLU(), **knobs)["norm"]


def test_worked_batch_norm_example():
    norm = norm_of("batch", 0, features=1, eps=1e-12)
    column = torch.tensor([[1.0], [3.0], [5.0], [7.0]])
    assert column.mean() == 4
    assert column.var(unbiased=False) == 5
    assert norm(column).flatten().tolist() == pytest.approx([-1.342, -0.447, 0.447, 1.342], abs=5e-4)
    with torch.no_grad():
        norm.weight.fill_(2.0)
        norm.bias.fill_(10.0)
    assert norm(column)[0].item() == pytest.approx(10 - 2 * 1.3416, abs=1e-3)


def test_batch_norm_evaluates_by_running_statistics():
    norm = norm_of("batch", 0, features=1, momentum=0.5)
    norm(torch.tensor([[1.0], [3.0], [5.0], [7.0]]))
    norm.eval()
    mean, variance = 0.5 * 4, 0.5 * 1 + 0.5 * 20 / 3  # running variance is the unbiased one
    assert norm(torch.tensor([[6.0]])).item() == pytest.approx((6 - mean) / math.sqrt(variance + 1e-5))


@pytest.mark.usefixtures("in_float64")
def test_batch_norm_of_images_is_per_channel():
    images = torch.randn(5, 6, 4, 4, generator=torch.Generator().manual_seed(0)) * 3 + 2
    out = norm_of("batch", 2)(images)
    assert isinstance(norm_of("batch", 2), nn.BatchNorm2d)
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(6), rtol=0, atol=1e-10)
    variance = out.var((0, 2, 3), unbiased=False)
    torch.testing.assert_close(variance, torch.ones(6), rtol=0, atol=1e-5)  # eps


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("dimensions", [0, 2])
def test_layer_norm_is_per_sample_whatever_the_batch_and_mode(dimensions):
    norm = norm_of("layer", dimensions)
    inputs = torch.randn(7, 6, *[4] * dimensions, generator=torch.Generator().manual_seed(0)) * 5 + 3
    out = norm(inputs)
    flat = inputs.flatten(1)
    expected = (flat - flat.mean(1, keepdim=True)) / (flat.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(out.flatten(1), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(norm(inputs[:1]), out[:1])
    torch.testing.assert_close(norm.eval()(inputs), out)


@pytest.mark.parametrize("model", NORMALIZED)
@pytest.mark.parametrize("norm", [name for name in NORM_NAMES if name != "none"])
def test_norm_stands_before_or_after_the_activation_of_every_block(norm, model):
    least = {"mlp": 2, "cnn": 3, "resnet": 5}.get(model, 1)
    for placement, wanted in (("before", ["norm", "activation"]), ("after", ["activation", "norm"])):
        net = network(model=model, normalization=norm, normalization__placement=placement)
        orders = [
            [name for name, _ in block.named_children() if name in ("norm", "activation")]
            for block in net.modules()
            if hasattr(block, "norm")
        ]
        assert len(orders) >= least
        assert all(order == wanted for order in orders)


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("norm", [name for name in NORM_NAMES if name != "none"])
def test_norms_of_a_sequence_see_the_features_of_each_step(norm):
    """Also where the number of steps happens to equal the number of features."""
    net = network((8, 3), model="gru", model__hidden=8, normalization=norm, normalization__eps=1e-9)
    seen = {}
    each = net.recurrent.between[0]
    each.register_forward_hook(lambda module, inputs, output: seen.update(before=inputs[0], after=output))
    net(torch.randn(16, 8, 3, generator=torch.Generator().manual_seed(0)))
    rows = seen["before"].flatten(0, 1)
    groups = rows.view(128, 4, 2) if norm == "group" else rows  # a group of one feature would always be 0
    axis = {"batch": 0, "layer": 1, "group": 2}[norm]
    expected = (groups - groups.mean(axis, keepdim=True)) / (
        groups.var(axis, unbiased=False, keepdim=True) + 1e-9
    ).sqrt()
    torch.testing.assert_close(seen["after"].flatten(0, 1), expected.flatten(1), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("width", [1, 2, 4, 7, 8, 16])
def test_group_norm_of_vectors_lets_something_through(width):
    vectors = torch.randn(5, width, generator=torch.Generator().manual_seed(0))
    norm = norm_of("group", 0, features=width)
    assert width == 1 or bool((norm(vectors).abs() > 0.1).all(0).any())


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize(("features", "asked", "used"), [(16, 8, 8), (6, 4, 3), (7, 4, 1), (4, 256, 4)])
def test_group_norm_as_in_torch_with_groups_that_divide(features, asked, used):
    images = torch.randn(5, features, 4, 3, generator=torch.Generator().manual_seed(0)) * 3 + 2
    norm = norm_of("group", 2, features=features, groups=asked, eps=1e-3)
    assert norm.num_groups == used
    torch.testing.assert_close(norm(images), nn.functional.group_norm(images, used, eps=1e-3))
    split = images.view(5, used, -1)
    by_hand = (split - split.mean(2, keepdim=True)) / (
        split.var(2, unbiased=False, keepdim=True) + 1e-3
    ).sqrt()
    torch.testing.assert_close(norm(images), by_hand.view_as(images), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(norm.eval()(images[:1]), norm(images)[:1])


def test_before_is_the_default():
    assert find("normalization", "batch").knobs["placement"].default == "before"


@pytest.mark.parametrize("placement", ["before", "after"])
@pytest.mark.parametrize("norm", NORM_NAMES)
@pytest.mark.parametrize("model", NORMALIZED)
def test_dropout_never_precedes_a_norm_nor_follows_the_output(model, norm, placement):
    knobs = {"normalization__placement": placement} if norm != "none" else {}
    knobs |= {"model__depth": 2} if "depth" in find("model", model).knobs else {}
    net = network(model=model, normalization=norm, **knobs, **EVERY_DROPOUT)
    modules = executed(net, torch.zeros(2, 1, 8, 8))
    assert modules[-1] is net.output
    drops = [number for number, module in enumerate(modules) if isinstance(module, DROPS)]
    assert modules[drops[0]].p == EVERY_DROPOUT["dropout__input_rate"]
    own = {"mlp": set(), "cnn": {0.25}, "resnet": {0.25}}.get(model, {0.3})
    assert {modules[number].p for number in drops[1:]} == {0.5} | own
    for number in drops:
        following = [module for module in modules[number + 1 :] if isinstance(module, (*LAYERS, *NORMS))]
        assert isinstance(following[0], LAYERS), "something scaled at random must not reach a norm"
        if model in ("mlp", "cnn") and number != drops[0]:
            last = max(place for place, module in enumerate(modules[:number]) if isinstance(module, LAYERS))
            assert any(isinstance(module, nn.ReLU) for module in modules[last:number]), "after the activation"


@pytest.mark.parametrize("model", MODELS)
def test_each_dropout_rate_acts_in_the_models_that_declare_its_place_and_in_no_others(model):
    images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    declared = find("model", model)
    depth = {"model__depth": 2} if "depth" in declared.knobs else {}
    plain = network(model=model, **depth)(images)
    for name, knob in find("dropout", "dropout").knobs.items():
        torch.manual_seed(0)
        net = network(model=model, **depth, **{f"dropout__{name}": 0.5})
        torch.testing.assert_close(net.eval()(images), plain)
        acts = not torch.equal(net.train()(images), plain)
        assert acts == (knob.place in declared.facts["places"]), name


def test_conv_dropout_silences_whole_feature_maps():
    drop = find("dropout", "dropout").function("conv", conv_rate=0.25)
    torch.manual_seed(0)
    out = drop(torch.ones(500, 8, 4, 4)).flatten(2)
    assert bool(((out == 0).all(2) | (out == 4 / 3).all(2)).all())
    assert float((out == 0).double().mean()) == pytest.approx(0.25, abs=0.03)


def test_dropout_of_zero_is_absent():
    assert not any(isinstance(module, DROPS) for module in leaves(network()))
    assert find("dropout", "dropout").function("hidden", rate=0.0) is None


def test_worked_dropout_example():
    """p = 0.5: what is kept is doubled, the expectation stays, evaluation is the identity."""
    drop = find("dropout", "dropout").function("hidden", rate=0.5, input_rate=0.1)
    torch.manual_seed(0)
    out = drop(torch.ones(200_000))
    assert set(out.tolist()) == {0.0, 2.0}
    assert float(out.mean()) == pytest.approx(1, abs=0.02)
    drop.eval()
    assert torch.equal(drop(torch.arange(5.0)), torch.arange(5.0))
    assert find("dropout", "dropout").function("input", rate=0.5, input_rate=0.1).p == 0.1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", lambda x: max(0, x)),
        ("leaky_relu", lambda x: x if x > 0 else 0.01 * x),
        ("gelu", lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2)))),
        ("selu", lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * (math.exp(x) - 1))),
        ("tanh", math.tanh),
        ("sigmoid", lambda x: 1 / (1 + math.exp(-x))),
    ],
)
def test_activations_by_formula(name, expected):
    points = torch.linspace(-4, 4, 33, dtype=torch.float64)
    found = find("activation", name).function()(points)
    assert found.tolist() == pytest.approx([expected(x) for x in points.tolist()], rel=1e-6, abs=1e-9)


def test_an_mlp_has_the_layers_asked_for():
    sizes = [
        tuple(module.weight.shape)
        for module in leaves(network((4,), 1, model__layers="128-64-32"))
        if isinstance(module, nn.Linear)
    ]
    assert sizes == [(128, 4), (64, 128), (32, 64), (1, 32)]
    deep = network((4,), 1, model__depth=3, model__width=16)
    assert sum(parameter.numel() for parameter in deep.parameters()) == 4 * 16 + 16 + 2 * (16 * 16 + 16) + 17
    assert [type(module) for module in leaves(network((4,), 1, model__depth=0))] == [nn.Linear]


@pytest.mark.parametrize("side", [1, 2, 3, 4, 7, 8, 32])
@pytest.mark.parametrize("blocks", [1, 2, 6])
def test_a_cnn_fits_any_image(side, blocks):
    net = network((3, side, side), 5, model="cnn", model__blocks=blocks, model__channels=2, model__head=4)
    assert net(torch.zeros(2, 3, side, side)).shape == (2, 5)
    planes = [module.out_channels for module in leaves(net) if isinstance(module, nn.Conv2d)]
    assert planes == [2 * 2**number for number in range(blocks)]


def test_a_network_too_large_is_refused_before_memory_is_taken():
    with pytest.raises(
        ConfigError, match=r"MLP has [\d,]+ parameters; the limit is 100,000,000. Make it narrower"
    ):
        network(model__layers="9999-9999-9999")
    with pytest.raises(ConfigError, match="CNN has"):
        network(model="cnn", model__blocks=6, model__channels=256)


def test_batch_norm_and_dropout_train_together():
    result, log = go(small(normalization="batch", dropout__rate=0.2, model__layers="16-16", epochs=2))
    assert result.stopped_by == "epochs"
    assert all(math.isfinite(loss) for loss in log.losses)


def test_group_norm_bears_a_single_unit_in_a_batch_of_one():
    log = go(small(normalization="group", model__layers="1", batch_size=1, epochs=1))[1]
    assert all(math.isfinite(loss) for loss in log.losses)
