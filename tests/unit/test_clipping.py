"""Clipping of the shared and the large gradients against torch.nn.utils on separate tensors."""

import copy
import math

import numpy as np
import pytest
import torch
from engine_runs import STOP, go, small, summed
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trainer.config import RunConfig
from trainer.engine.build import build_model
from trainer.engine.flat import flatten
from trainer.registry import find

BY_NORM, BY_VALUE = find("clipping", "by_norm").function, find("clipping", "by_value").function
ARRAYS = st.lists(
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=4), elements=st.floats(-50, 50, width=32)),
    min_size=1,
    max_size=4,
)


def separate(arrays):
    parameters = [torch.nn.Parameter(torch.zeros(array.shape)) for array in arrays]
    for parameter, array in zip(parameters, arrays, strict=True):
        parameter.grad = torch.from_numpy(array.copy())
    return parameters


def together(parameters):
    return torch.cat([parameter.grad.reshape(-1) for parameter in parameters])


@given(ARRAYS, st.floats(0.01, 100))
def test_by_norm_is_clip_grad_norm(arrays, max_norm):
    parameters = separate(arrays)
    flat = together(parameters).clone()
    norm = torch.linalg.vector_norm(flat)
    flag = BY_NORM([flat], norm, max_norm=max_norm)
    total = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    bound = {
        "rtol": summed(flat.numel() + 2),
        "atol": 1e-6,
    }  # clip_grad_norm_ adds 1e-6 to the norm that it divides by
    torch.testing.assert_close(norm, total, **bound)
    torch.testing.assert_close(flat, together(parameters), **bound)
    assert float(flag) == float(norm > max_norm)


@pytest.mark.parametrize("norm", [0.0, 0.5, 1.0 - 1e-6, 1.0, 5.0, math.inf, math.nan])
def test_by_norm_leaves_out_only_a_multiplication_that_changes_no_bit(norm):
    gradient = torch.tensor([0.3, -0.0, 1e-42, math.inf, math.nan])
    total = torch.tensor(norm)
    expected = gradient * torch.clamp(1.0 / (total + 1e-6), max=1.0)
    BY_NORM([gradient], total, max_norm=1.0)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=0, equal_nan=True)


@given(ARRAYS, st.floats(0.01, 60))
def test_by_value_is_clip_grad_value(arrays, limit):
    parameters = separate(arrays)
    flat = together(parameters).clone()
    before = flat.clone()
    flag = BY_VALUE([flat], torch.linalg.vector_norm(flat), limit=limit)
    torch.nn.utils.clip_grad_value_(parameters, limit)
    assert torch.equal(flat, together(parameters))
    assert bool(flag) == (not torch.equal(before, flat))


def test_none_leaves_the_gradient_alone():
    gradient = torch.tensor([3.0, -400.0])
    assert find("clipping", "none").function(gradient, torch.tensor(400.0)) is None
    assert gradient.tolist() == [3.0, -400.0]


def test_worked_example_by_norm():
    gradient = torch.tensor([3.0, 4.0])
    assert BY_NORM([gradient], torch.tensor(5.0), max_norm=1.0)
    assert gradient.tolist() == pytest.approx([0.6, 0.8], rel=1e-5)


@pytest.mark.parametrize("model", ["mlp", "cnn"])
@pytest.mark.parametrize("large", [100, 50_000])
def test_the_flat_gradient_is_the_models_gradient(model, large, monkeypatch):
    """Its norm is the global one, and writing to it reaches every parameter, convolutions included."""
    monkeypatch.setattr("trainer.engine.flat.MIN_SEPARATE_ELEMENTS", large)
    config = RunConfig.from_flat({"model": model})
    net = build_model(config, (1, 8, 8), 10, torch.device("cpu"))
    twin = copy.deepcopy(net)
    weights = flatten(net)
    inputs = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    for network in (net, twin):
        network(inputs).square().sum().backward()
    total = torch.nn.utils.clip_grad_norm_(twin.parameters(), 0.25)
    norm = weights.norm()
    torch.testing.assert_close(norm, total)
    BY_NORM(weights.gradients(), norm, max_norm=0.25)
    for mine, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


@pytest.mark.parametrize(
    ("clipping", "expected"),
    [
        ({"clipping": "none"}, {None}),
        ({"clipping": "by_norm", "clipping.max_norm": 1e-4}, {1.0}),
        ({"clipping": "by_norm", "clipping.max_norm": 1000}, {0.0}),
        ({"clipping": "by_value", "clipping.limit": 1e-5}, {1.0}),
        ({"clipping": "by_value", "clipping.limit": 1000}, {0.0}),
    ],
)
def test_the_run_records_which_steps_were_clipped(clipping, expected):
    _, log = go(small(**clipping))
    assert {None if flag != flag else flag for flag in log.column("clipped")} == expected


def test_the_recorded_norm_is_the_one_before_clipping():
    _, free = go(small(epochs=1))
    _, held = go(small(epochs=1, clipping="by_norm", clipping__max_norm=0.001))
    assert free.column("grad_norm")[0] == held.column("grad_norm")[0] > 0.001


def test_a_clipped_step_of_sgd_is_no_longer_than_rate_times_norm(tmp_path):
    from engine_runs import trainer_of, weights_of

    trainer, log = trainer_of(
        small(optimizer="sgd", learning_rate=1.0, clipping="by_norm", clipping__max_norm=0.01, epochs=1)
    )
    before = torch.cat([value.reshape(-1) for value in weights_of(trainer.run).values()])
    trainer.control = lambda: STOP if trainer.state.step == 1 else None
    trainer.run_epochs()
    after = torch.cat([value.reshape(-1) for value in weights_of(trainer.run).values()])
    assert log.column("grad_norm")[0] > 0.01
    rounding = float(
        torch.finfo(torch.float32).eps * after.norm()
    )  # of weights that a small step has changed
    assert float((after - before).norm()) == pytest.approx(0.01, abs=rounding + 0.01 * summed(len(after)))
