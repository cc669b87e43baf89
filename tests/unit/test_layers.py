"""Normalization, dropout, activations, and how networks are put together from them."""

import math

import pytest
import torch
from engine_runs import CPU, go, small
from torch import nn

from trainer.build import build_model
from trainer.config import ConfigError, RunConfig
from trainer.registry import families, find

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)
DROPS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d)
LAYERS = (nn.Linear, nn.Conv2d)
MODELS = list(families()["model"].techniques)
NORM_NAMES = list(families()["normalization"].techniques)


def network(shape=(1, 8, 8), outputs=10, **values):
    config = RunConfig.from_flat({key.replace("__", "."): value for key, value in values.items()})
    return build_model(config, shape, outputs, CPU)


def leaves(module):
    return [child for child in module.modules() if not list(child.children())]


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


def test_batch_norm_of_images_is_per_channel():
    images = torch.randn(5, 6, 4, 4, generator=torch.Generator().manual_seed(0)) * 3 + 2
    out = norm_of("batch", 2)(images)
    assert isinstance(norm_of("batch", 2), nn.BatchNorm2d)
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(6), rtol=0, atol=1e-5)
    torch.testing.assert_close(out.var((0, 2, 3), unbiased=False), torch.ones(6), rtol=0, atol=1e-4)


@pytest.mark.parametrize("dimensions", [0, 2])
def test_layer_norm_is_per_sample_whatever_the_batch_and_mode(dimensions):
    norm = norm_of("layer", dimensions)
    inputs = torch.randn(7, 6, *[4] * dimensions, generator=torch.Generator().manual_seed(0)) * 5 + 3
    out = norm(inputs)
    flat = inputs.flatten(1)
    expected = (flat - flat.mean(1, keepdim=True)) / (flat.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(out.flatten(1), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(norm(inputs[:1]), out[:1])
    torch.testing.assert_close(norm.eval()(inputs), out)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("norm", [name for name in NORM_NAMES if name != "none"])
def test_norm_stands_before_or_after_the_activation_of_every_block(norm, model):
    for placement, wanted in (("before", ["norm", "activation"]), ("after", ["activation", "norm"])):
        net = network(model=model, normalization=norm, normalization__placement=placement)
        blocks = [
            child for name, child in net.named_children() if name.startswith(("hidden", "block", "head"))
        ]
        assert len(blocks) >= 2
        for block in blocks:
            names = [name for name, _ in block.named_children()]
            assert [name for name in names if name in ("norm", "activation")] == wanted


def test_before_is_the_default():
    assert find("normalization", "batch").knobs["placement"].default == "before"


@pytest.mark.parametrize("placement", ["before", "after"])
@pytest.mark.parametrize("norm", NORM_NAMES)
@pytest.mark.parametrize("model", MODELS)
def test_dropout_never_precedes_a_norm_nor_follows_the_output(model, norm, placement):
    knobs = {"normalization__placement": placement} if norm != "none" else {}
    net = network(model=model, normalization=norm, **knobs, dropout__rate=0.5, dropout__input_rate=0.2)
    modules = leaves(net)
    assert isinstance(modules[-1], nn.Linear)
    assert modules[-1] is net.output
    drops = [number for number, module in enumerate(modules) if isinstance(module, DROPS)]
    assert next(modules[number].p for number in drops) == 0.2
    assert {modules[number].p for number in drops[1:]} == {0.5}
    for number in drops:
        following = [module for module in modules[number + 1 :] if isinstance(module, (*LAYERS, *NORMS))]
        assert isinstance(following[0], LAYERS), "something scaled at random must not reach a norm"
    hidden = [number for number in drops if modules[number].p == 0.5]
    for number in hidden:
        earlier = modules[:number]
        last_layer = max(place for place, module in enumerate(earlier) if isinstance(module, LAYERS))
        assert any(isinstance(module, nn.ReLU) for module in earlier[last_layer:]), "after the activation"


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
