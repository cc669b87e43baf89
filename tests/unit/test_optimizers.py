"""Every optimizer, on the shared vector and beside it, against torch's own on separate tensors; Adam by hand."""

import copy
import math

import pytest
import torch

from trainer.config import RunConfig
from trainer.engine.build import build_model
from trainer.engine.flat import flatten
from trainer.registry import families, find

NAMES = list(families()["optimizer"].techniques)
REFERENCE = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.01}),
    "rmsprop": (torch.optim.RMSprop, {}),
}
KNOBS = {
    "sgd": ({"weight_decay": 0.1}, {"weight_decay": 0.1}),
    "momentum": ({"momentum": 0.5, "weight_decay": 0.1},) * 2,
    "nesterov": ({"momentum": 0.5, "weight_decay": 0.1},) * 2,
    "adam": (
        {"beta1": 0.5, "beta2": 0.9, "eps": 0.01, "weight_decay": 0.1},
        {"betas": (0.5, 0.9), "eps": 0.01, "weight_decay": 0.1},
    ),
    "adamw": (
        {"beta1": 0.5, "beta2": 0.9, "eps": 0.01, "weight_decay": 0.5},
        {"betas": (0.5, 0.9), "eps": 0.01, "weight_decay": 0.5},
    ),
    "rmsprop": ({"alpha": 0.5, "momentum": 0.3, "eps": 0.01, "weight_decay": 0.1},) * 2,
}


STEPS = 25
# In float64, because RMSprop and Adam divide a gradient by its own size: near zero they blow a rounding error up, in
# float32 to 2e-5 on one CPU and more on the next. Here it is 25 roundings of 2e-16, blown up ten thousand times.
TOLERANCE = STEPS * torch.finfo(torch.float64).eps * 1e4


def trained(network, optimizer, steps=STEPS):
    random = torch.Generator().manual_seed(3)
    for _ in range(steps):
        inputs = torch.randn(6, 1, 8, 8, generator=random, dtype=torch.float64)
        targets = torch.randn(6, 3, generator=random, dtype=torch.float64)
        optimizer.zero_grad(set_to_none=False)
        torch.nn.functional.mse_loss(network(inputs), targets).backward()
        optimizer.step()
    return list(network.parameters())


@pytest.mark.parametrize("model", ["mlp", "cnn"])
@pytest.mark.parametrize("large", [100, 50_000])  # elements from which a parameter keeps a tensor of its own
@pytest.mark.parametrize("changed", [False, True], ids=["defaults", "knobs"])
@pytest.mark.parametrize("name", NAMES)
def test_flat_training_equals_torch_on_separate_tensors(name, changed, model, large, monkeypatch):
    monkeypatch.setattr("trainer.engine.flat.MIN_SEPARATE_ELEMENTS", large)
    make, settings = REFERENCE[name]
    knobs, theirs = KNOBS[name] if changed else ({}, {})
    config = RunConfig.from_flat({"model": model, "activation": "tanh"})
    network = build_model(config, (1, 8, 8), 3, torch.device("cpu")).double()
    twin = copy.deepcopy(network)
    flat = find("optimizer", name).function(flatten(network).parameters, 0.003, **knobs)
    separate = make(twin.parameters(), lr=0.003, foreach=False, **{**settings, **theirs})
    for one, other in zip(trained(network, flat), trained(twin, separate), strict=True):
        torch.testing.assert_close(one, other, rtol=TOLERANCE, atol=TOLERANCE)


def test_defaults_are_the_fields():
    assert dict(find("optimizer", "adam").knobs)["beta1"].default == 0.9
    group = find("optimizer", "adam").function([torch.nn.Parameter(torch.ones(1))], 0.1).param_groups[0]
    assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.9, 0.999), 1e-8, 0.0)
    assert find("optimizer", "adamw").knobs["weight_decay"].default == 0.01
    assert find("optimizer", "momentum").knobs["momentum"].default == 0.9


def test_adam_step_by_step_by_hand():
    weight = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = find("optimizer", "adam").function([weight], 0.1)
    value, m, v = 1.0, 0.0, 0.0
    for step, gradient in enumerate([0.5, -0.2, 0.3, 0.0, 1.5], start=1):
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        value -= 0.1 * (m / (1 - 0.9**step)) / (math.sqrt(v / (1 - 0.999**step)) + 1e-8)
        assert weight.item() == pytest.approx(value, rel=1e-12)
    assert value < 1


def test_adams_first_step_is_the_rate_whatever_the_gradient():
    for gradient in (1e-3, 1.0, 1e3):
        weight = torch.nn.Parameter(torch.zeros(1))
        weight.grad = torch.tensor([gradient])
        find("optimizer", "adam").function([weight], 0.01).step()
        assert weight.item() == pytest.approx(-0.01, rel=2e-5)  # eps / the smallest gradient is 1e-5


def test_nesterov_by_hand():
    weight = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = find("optimizer", "nesterov").function([weight], 0.1)
    value, roll = 1.0, 0.0
    for gradient in (1.0, 0.5, -2.0):
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        roll = 0.9 * roll + gradient
        value -= 0.1 * (gradient + 0.9 * roll)
        assert weight.item() == pytest.approx(value, rel=1e-12)


def test_adamw_decays_apart_from_the_gradient():
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    weight.grad = torch.zeros(1)
    find("optimizer", "adamw").function([weight], 0.1, weight_decay=0.5).step()
    assert weight.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5))


@pytest.mark.parametrize("name", NAMES)
def test_a_first_step_skipped_by_the_loss_scaler_leaves_no_trace(name):
    """With fused kernels the momentum buffer must not be born from uninitialized memory in a skipped step."""

    def run(first_overflows):
        for _ in range(4):  # memory that was just freed is what an uninitialized buffer would get
            torch.full((1000,), 7e3)
        weight = torch.nn.Parameter(torch.ones(1000))
        optimizer = find("optimizer", name).function([weight], 0.01)
        scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
        for gradient in ([math.inf] if first_overflows else []) + [0.5, -0.25, 1.0]:
            scale = scaler.scale(torch.ones(())).item()
            weight.grad = torch.full((1000,), gradient * scale)
            before = weight.detach().clone()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
            if math.isinf(gradient):
                assert torch.equal(before, weight)
        return weight.detach()

    assert torch.equal(run(True), run(False))
