"""Initial weights: their distributions on large layers, biases, norms, and that nothing stays uninitialized."""

import math

import pytest
import torch
from engine_runs import CPU, small, summed
from scipy import stats

from trainer.config import RunConfig
from trainer.engine.network import build_model
from trainer.registry import families, find

SCHEMES = list(families()["initialization"].techniques)
LINEAR, CONV = (512, 1024), (128, 64, 3, 3)
FAN = {LINEAR: (1024, 512), CONV: (64 * 9, 128 * 9)}


def drawn(name, shape, **knobs):
    weight, bias = torch.full(shape, math.nan), torch.zeros(shape[0])
    find("initialization", name).function(weight, bias, torch.Generator().manual_seed(5), **knobs)
    return weight, bias


def near(value, expected, samples):
    """Within five standard errors of the variance of a normal sample."""
    return abs(value / expected - 1) < 5 * math.sqrt(2 / samples)


@pytest.mark.parametrize("shape", [LINEAR, CONV], ids=["linear", "conv"])
@pytest.mark.parametrize(
    ("name", "knobs", "variance"),
    [
        ("kaiming_normal", {}, lambda i, o: 2 / i),
        ("kaiming_normal", {"mode": "fan_out"}, lambda i, o: 2 / o),
        ("kaiming_uniform", {}, lambda i, o: 2 / i),
        ("kaiming_uniform", {"mode": "fan_out"}, lambda i, o: 2 / o),
        ("xavier_normal", {}, lambda i, o: 2 / (i + o)),
        ("xavier_uniform", {}, lambda i, o: 2 / (i + o)),
        ("lecun_normal", {}, lambda i, o: 1 / i),
        ("pytorch_default", {}, lambda i, o: 1 / (3 * i)),
        ("too_small", {}, lambda i, o: 0.001**2),
        ("too_large", {}, lambda i, o: 1.0),
        ("too_large", {"std": 3.0}, lambda i, o: 9.0),
    ],
)
def test_variance_and_mean(name, knobs, variance, shape):
    weight, _ = drawn(name, shape, **knobs)
    expected = variance(*FAN[shape])
    assert near(float(weight.double().var()), expected, weight.numel())
    assert abs(float(weight.double().mean())) < 5 * math.sqrt(expected / weight.numel())


@pytest.mark.parametrize(
    "name", ["kaiming_normal", "xavier_normal", "lecun_normal", "too_small", "too_large"]
)
def test_normal_schemes_are_normal(name):
    weight = drawn(name, LINEAR)[0].flatten().double()[:20_000]
    assert stats.kstest((weight / weight.std()).numpy(), "norm").pvalue > 1e-3


@pytest.mark.parametrize("name", ["kaiming_uniform", "xavier_uniform", "pytorch_default"])
def test_uniform_schemes_are_uniform(name):
    weight = drawn(name, LINEAR)[0].flatten().double()[:20_000]
    bound = math.sqrt(3) * float(drawn(name, LINEAR)[0].double().std())
    assert float(weight.abs().max()) <= bound * 1.01
    assert stats.kstest((weight / bound).numpy(), "uniform", (-1, 2)).pvalue > 1e-3


def test_pytorch_default_is_distributed_as_in_torch():
    torch.manual_seed(0)
    for layer in (torch.nn.Linear(300, 400), torch.nn.Conv2d(32, 64, 3)):
        weight, bias = torch.empty_like(layer.weight), torch.empty_like(layer.bias)
        with torch.no_grad():
            find("initialization", "pytorch_default").function(weight, bias, torch.Generator().manual_seed(1))
        for mine, theirs in ((weight, layer.weight), (bias, layer.bias)):
            pair = [values.detach().flatten().double().numpy() for values in (mine, theirs)]
            assert stats.ks_2samp(*pair).pvalue > 1e-3
            assert abs(mine).max() <= 1 / math.sqrt(layer.weight[0].numel())


@pytest.mark.parametrize("gain", [1.0, math.sqrt(2)])
@pytest.mark.parametrize("shape", [(60, 200), (200, 60), (16, 8, 3, 3)])
def test_orthogonal_rows_or_columns(shape, gain):
    matrix = drawn("orthogonal", shape, gain=gain)[0].reshape(shape[0], -1).double()
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    wanted = gain**2 * torch.eye(len(matrix), dtype=torch.float64)
    torch.testing.assert_close(matrix @ matrix.T, wanted, rtol=0, atol=gain**2 * summed(max(matrix.shape)))


def test_teaching_failures():
    assert set(drawn("constant", LINEAR, value=0.25)[0].flatten().tolist()) == {0.25}
    assert set(drawn("zeros", LINEAR)[0].flatten().tolist()) == {0.0}


@pytest.mark.parametrize(
    ("model", "norm"),
    [
        (model.name, norm)
        for model in families()["model"].techniques.values()
        for norm in families()["normalization"].techniques
        if norm == "none" or not model.facts.get("own_normalization")
    ],
)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_biases_start_at_zero_norms_as_identity_and_nothing_uninitialized(scheme, norm, model):
    config = RunConfig.from_flat({"initialization": scheme, "normalization": norm, "model": model})
    torch.use_deterministic_algorithms(True)  # fills fresh memory with NaN
    try:
        network = build_model(config, (1, 8, 8), 10, CPU)
    finally:
        torch.use_deterministic_algorithms(False)
    for name, value in network.state_dict().items():
        assert torch.isfinite(value).all(), name
    for module in network.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            assert scheme == "pytorch_default" or not module.bias.any()
        elif isinstance(module, torch.nn.RNNBase):
            biases = [value for name, value in module.named_parameters() if name.startswith("bias")]
            assert len(biases) == 2
            assert scheme == "pytorch_default" or not any(bias.any() for bias in biases)
        elif getattr(module, "weight", None) is not None:
            assert bool((module.weight == 1).all())
            assert not module.bias.any()
        if hasattr(module, "running_mean"):
            assert not module.running_mean.any()
            assert bool((module.running_var == 1).all())


GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def recurrent_layer(model, scheme, hidden=256, features=100, **knobs):
    values = {f"initialization.{key}": value for key, value in knobs.items()}
    config = RunConfig.from_flat(
        {"model": model, "model.hidden": hidden, "initialization": scheme, **values, "data": "adding"}
    )
    return build_model(config, (5, features), 1, CPU).recurrent.layers[0]


@pytest.mark.parametrize("model", GATES)
@pytest.mark.parametrize(
    ("scheme", "variance"),
    [
        ("kaiming_normal", lambda i, o: 2 / i),
        ("xavier_uniform", lambda i, o: 2 / (i + o)),
        ("lecun_normal", lambda i, o: 1 / i),
    ],
)
def test_each_gate_is_a_matrix_of_its_own(model, scheme, variance):
    """Stacked gates taken as one matrix would make fan_out, and Xavier's variance, wrong by their number."""
    layer = recurrent_layer(model, scheme)
    for weight, fan_in in ((layer.weight_ih_l0, 100), (layer.weight_hh_l0, 256)):
        gates = weight.chunk(GATES[model])
        assert all(gate.shape == (256, fan_in) for gate in gates)
        for gate in gates:
            assert near(float(gate.detach().double().var()), variance(fan_in, 256), gate.numel())
        assert all(not torch.equal(gates[0], gate) for gate in gates[1:])


@pytest.mark.parametrize("model", GATES)
def test_recurrent_weights_are_orthogonal_gate_by_gate(model):
    layer = recurrent_layer(model, "orthogonal", gain=1.5)
    for gate in layer.weight_hh_l0.detach().double().chunk(GATES[model]):
        wanted = 2.25 * torch.eye(256, dtype=torch.float64)
        torch.testing.assert_close(gate @ gate.T, wanted, rtol=0, atol=2.25 * summed(256))


@pytest.mark.parametrize("model", GATES)
def test_the_control_draws_recurrent_layers_as_torch_does(model):
    """torch.nn.RNN, LSTM and GRU take ±1/√hidden for every weight and bias, whatever the fan."""
    layer = recurrent_layer(model, "pytorch_default")
    for name, value in layer.named_parameters():
        assert float(value.detach().abs().max()) <= 1 / 16, name
        assert near(float(value.detach().double().var()), 1 / (3 * 256), value.numel()), name


def test_word_vectors_are_drawn_as_torch_does():
    config = RunConfig.from_flat({"model": "gru", "data": "reviews", "model.hidden": 64})
    table = build_model(config, (18,), 2, CPU, vocabulary=5000).embedding.weight
    assert table.shape == (5000, 64)
    assert near(float(table.detach().double().var()), 1.0, table.numel())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_follow_the_seed_alone(scheme):
    def draw(seed):
        torch.manual_seed(torch.seed() % 1000)  # the global stream must not matter
        return build_model(small(initialization=scheme, seed=seed), (2,), 2, CPU).state_dict()

    one, again, other = draw(1), draw(1), draw(2)
    assert all(torch.equal(one[name], again[name]) for name in one)
    random = scheme not in ("constant", "zeros")
    assert random != torch.equal(one["hidden1.linear.weight"], other["hidden1.linear.weight"])


def test_layers_of_one_shape_draw_different_weights():
    state = build_model(small(model__layers="8-8-8"), (2,), 2, CPU).state_dict()
    assert not torch.equal(state["hidden2.linear.weight"], state["hidden3.linear.weight"])
