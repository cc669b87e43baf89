"""Memory before the first step: counted from real tensors, estimated where said so."""

from pathlib import Path

import pytest
import torch
from engine_runs import small

from trainer.engine.build import build
from trainer.preflight.activation_hooks import Kept
from trainer.preflight.dry_run import dry_run, question_of
from trainer.preflight.footprint import activation_bytes, optimizer_bytes
from trainer.registry import families
from trainer.settings import Settings
from trainer.techniques.precision import bf16, fp32

HERE = Path("no-data-here")


@pytest.mark.parametrize("name", families()["optimizer"].techniques)
def test_optimizer_state_is_what_the_optimizer_really_keeps(name):
    run = build(small(optimizer=name), HERE)
    claimed = optimizer_bytes(run) * run.parameters
    run.model(run.data.train.inputs[:8]).sum().backward()
    run.optimizer.step()
    states = [
        value for state in run.optimizer.state.values() for value in state.values() if torch.is_tensor(value)
    ]
    assert claimed == sum(value.nbytes for value in states if value.ndim > 0)


def test_bytes_per_parameter_follow_the_rule_of_thumb(tmp_path):
    memory = dry_run(question_of(small(optimizer="adam")), Settings(home=tmp_path))["memory"]
    assert memory["optimizer_bytes"] == 8
    rules = {one["name"]: (one["bytes_weights"], one["bytes_gradients"]) for one in memory["precisions"]}
    assert rules == {"fp32": (4, 4), "fp16": (2, 4), "bf16": (2, 2)}
    assert [one["name"] for one in memory["precisions"] if one["chosen"]] == ["fp32"]
    parameters = build(small(), HERE).parameters
    assert memory["measured"]["weights"] == memory["measured"]["gradients"] == 4 * parameters


@pytest.mark.parametrize(
    "values",
    [
        {"model__layers": "64-32", "batch_size": 32},
        {"data": "digits", "model": "resnet", "batch_size": 64},
        {"data": "reviews", "model": "transformer", "batch_size": 64},
    ],
)
def test_the_estimate_of_activations_is_what_autograd_keeps_of_a_whole_batch(values):
    run = build(small(**values), HERE)
    batch = run.data.train.inputs[: run.config.batch_size]
    kept = Kept(*run.weights.parameters, batch)
    with kept:
        run.model(batch)
    assert activation_bytes(run, batch, fp32("cpu")) == pytest.approx(kept.bytes, rel=0.03)
    assert activation_bytes(run, batch, bf16("cpu")) < activation_bytes(run, batch, fp32("cpu"))


def test_what_is_kept_by_hand():
    """x·W1 → ReLU → ·W2: the backward pass needs the ReLU's output [8, 16], beside the batch and the weights."""
    first, second = torch.nn.Linear(4, 16), torch.nn.Linear(16, 2)
    batch = torch.randn(8, 4)
    kept = Kept(*first.parameters(), *second.parameters(), batch)
    with kept:
        second(torch.relu(first(batch)))
    assert kept.bytes == 8 * 16 * 4
