"""A loss that is no longer finite: stopped before the weights are touched, with step, value, cause and remedy."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from engine_runs import (
    STOP,
    asks,
    exact,
    go,
    same_weights,
    saved_weights,
    small,
    spoil_losses,
    trainer_of,
    weights_of,
)

from trainer.engine import loop
from trainer.engine import non_finite_guard as guard
from trainer.engine.non_finite_guard import CHECK_EVERY, NonFiniteError, NonFiniteGuard

DIVERGES = {
    "data": "delivery_time",
    "data.samples": 100,
    "optimizer": "sgd",
    "learning_rate": 10,
    "epochs": 30,
}


def spoiled(config, bad, value=math.nan, waits=None):
    """A trainer whose loss becomes `value` at step `bad`, and the weights that it has before each step."""
    trainer, log = trainer_of(config)
    if waits is not None:
        trainer.guard = NonFiniteGuard(trainer.run, waits=waits)
    original, calls, before = trainer.run.loss, [], []

    def loss(outputs, targets):
        if trainer.run.model.training:
            calls.append(1)
        return original(outputs, targets) * (value if len(calls) == bad else 1)

    trainer.run.loss = loss
    trainer.control = lambda: before.append(weights_of(trainer.run))
    return trainer, log, before


def parameters(weights):
    return {name: value for name, value in weights.items() if "running" not in name and "batches" not in name}


def test_a_diverging_run_stops_and_says_why():
    results, log = go(small().changed(DIVERGES))
    step = results.steps
    assert results.stopped_by == "non_finite_loss"
    assert log.column("step") == list(range(1, step + 1)), "the bad step is recorded too"
    norms = log.column("grad_norm")
    assert not math.isfinite(log.losses[-1] + norms[-1])
    assert all(map(math.isfinite, log.losses[:-1] + norms[:-1]))
    assert f"at step {step}" in results.error
    assert "learning rate 10 is too high" in results.error
    assert "Try 1" in results.error
    assert any(word in results.error for word in ("inf", "nan"))
    assert results.test["loss"] is None


def test_its_weights_are_those_before_the_bad_step():
    trainer, _ = trainer_of(small().changed(DIVERGES))
    with pytest.raises(NonFiniteError):
        trainer.run_epochs()
    bad = trainer.state.step
    manual, _ = trainer_of(small().changed(DIVERGES))
    manual.control = lambda: STOP if manual.state.step == bad - 1 else None
    assert manual.run_epochs() == "stop"
    assert same_weights(weights_of(trainer.run), weights_of(manual.run))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
def test_a_bad_loss_never_reaches_the_weights(optimizer, precision, value):
    config = small(optimizer=optimizer, precision=precision, epochs=2)
    trainer, log, before = spoiled(config, bad=7, value=value)
    with pytest.raises(NonFiniteError, match=f"loss became {value} at step 7"):
        trainer.run_epochs()
    assert len(log.steps) == 7
    assert exact(log.losses[-1]) == exact(value)
    assert same_weights(weights_of(trainer.run), before[6])


def test_a_failing_run_taken_up_again_fails_the_same(tmp_path):
    config = small().changed(DIVERGES)
    straight, _ = go(config)
    go(config, tmp_path, asks("pause", [2]))
    kept = saved_weights(tmp_path)
    again, _ = go(config, tmp_path)
    assert (again.stopped_by, again.steps) == ("non_finite_loss", straight.steps)
    assert again.error.split(".")[0] == straight.error.split(".")[0]
    assert same_weights(saved_weights(tmp_path), kept), "no checkpoint is made of a broken run"


def test_a_skipped_float16_step_is_not_named_as_the_failure():
    trainer, log = trainer_of(small(precision="fp16", epochs=2))
    original, calls = trainer.run.loss, []

    def loss(outputs, targets):
        calls.append(1)
        factor = {2: 1e36, 5: math.nan}.get(
            len(calls), 1
        )  # overflow in step 2 is skipped; NaN in step 5 is the end
        return original(outputs, targets) * factor

    trainer.run.loss = loss
    with pytest.raises(NonFiniteError, match=r"The loss became nan at step 5"):
        trainer.run_epochs()
    assert not math.isfinite(log.column("grad_norm")[1])


def test_likely_causes():
    trainer, _, _ = spoiled(small(precision="fp16"), bad=3)
    with pytest.raises(NonFiniteError, match="use precision bf16 or fp32"):
        trainer.run_epochs()
    trainer, _, _ = spoiled(small(initialization="too_large"), bad=1)
    with pytest.raises(NonFiniteError, match="initial weights are too large"):
        trainer.run_epochs()
    trainer, _, _ = spoiled(small(), bad=4)
    trainer.run.data.train.inputs[0, 0] = math.nan
    with pytest.raises(NonFiniteError, match="clean them first"):
        trainer.run_epochs()
    trainer, _, _ = spoiled(small(clipping="by_norm"), bad=4)
    with pytest.raises(NonFiniteError) as caught:
        trainer.run_epochs()
    assert "clipping" not in str(caught.value), "it is on already"


# The path that a GPU takes, on tensors that happen to lie in ordinary memory.


def test_waiting_changes_nothing_in_a_healthy_run():
    for precision in ("fp32", "fp16"):
        config = small(precision=precision, normalization="batch", dropout__rate=0.2)
        plain, log = trainer_of(config)
        waiting, other = trainer_of(config)
        waiting.guard = NonFiniteGuard(waiting.run, waits=True)
        plain_reason = plain.run_epochs()
        torch.manual_seed(0)
        waiting, other = trainer_of(config)  # dropout draws from the global stream: build again right before
        waiting.guard = NonFiniteGuard(waiting.run, waits=True)
        assert waiting.run_epochs() == plain_reason
        for name in log.steps[0].keys() - {"loss_scale"}:  # which a GPU's is not read at every step
            assert exact(other.column(name)) == exact(log.column(name)), name
        assert exact(other.epochs) == exact(log.epochs)
        assert same_weights(weights_of(plain.run), weights_of(waiting.run))
        assert waiting.state.skipped_steps == plain.state.skipped_steps


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("bad", [1, 7, CHECK_EVERY - 1, CHECK_EVERY, CHECK_EVERY + 1])
def test_a_bad_step_is_taken_back_and_found_at_the_next_look(bad, precision):
    config = small(data__samples=1000, batch_size=4, epochs=1, precision=precision)
    trainer, log, before = spoiled(config, bad, waits=True)
    with pytest.raises(NonFiniteError, match=f"nan at step {bad};"):
        trainer.run_epochs()
    assert trainer.state.step == math.ceil(bad / CHECK_EVERY) * CHECK_EVERY
    assert len(log.steps) == trainer.state.step
    assert same_weights(weights_of(trainer.run), before[bad - 1])
    assert bad == 1 or not same_weights(before[0], before[bad - 1]), "good steps were taken"
    assert all(same_weights(one, other) for one, other in pairwise(before[bad:]))


def test_the_flag_is_read_every_so_many_steps_only():
    trainer, _, _ = spoiled(small(data__samples=1000, batch_size=4, epochs=1), bad=0, waits=True)
    looks = []
    original = trainer.guard.check_pending
    trainer.guard.check_pending = lambda lr: looks.append(trainer.state.step) or original(lr)
    trainer.run_epochs()
    steps = trainer.state.step
    assert looks == [*range(CHECK_EVERY, steps + 1, CHECK_EVERY), steps]


def test_a_bad_step_near_the_end_is_not_overlooked():
    trainer, log, before = spoiled(small(epochs=1), bad=3, waits=True)
    with pytest.raises(NonFiniteError, match="at step 3"):
        trainer.run_epochs()
    assert log.epochs == []
    assert same_weights(weights_of(trainer.run), before[2])


def test_a_bad_step_before_a_pause_is_not_saved(tmp_path, monkeypatch):
    spoil_losses(monkeypatch, {3: math.nan})
    monkeypatch.setattr(loop, "NonFiniteGuard", lambda run: guard.NonFiniteGuard(run, waits=True))
    results, _ = go(small(epochs=3), tmp_path, asks("pause", [5]))
    assert results.stopped_by == "non_finite_loss"
    assert list(Path(tmp_path).iterdir()) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here: the guard's flag on CUDA is not run")
def test_on_a_gpu():
    trainer, _, before = spoiled(small(data__samples=1000, batch_size=4, epochs=1, device="cuda"), bad=7)
    with pytest.raises(NonFiniteError, match="at step 7"):
        trainer.run_epochs()
    assert same_weights(parameters(weights_of(trainer.run)), parameters(before[6]))
