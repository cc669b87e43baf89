"""Every schedule against torch.optim.lr_scheduler over whole runs, and the worked numbers that lessons quote."""

import math
from functools import partial

import pytest
import torch
from engine_runs import go, small, trainer_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from trainer.registry import families, find
from trainer.techniques.schedules import Moment, Rates, rates, set_rates

LR = st.floats(1e-5, 1.0)


def ours(name, lr, epochs, batches=1, losses=(), **knobs):
    """Our rate at every step of a run."""
    schedule = partial(find("schedule", name).function, **knobs)
    return [
        rates(schedule(Moment(epoch * batches + batch, epoch, epochs * batches, epochs, losses[:epoch]), lr))
        for epoch in range(epochs)
        for batch in range(batches)
    ]


def theirs(make, lr, steps, metrics=None, momentum=0.9):
    """The rate and momentum that torch's scheduler leaves in its optimizer before every step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=momentum)
    scheduler, found = make(optimizer), []
    for step in range(steps):
        group = optimizer.param_groups[0]
        found.append((group["lr"], group["momentum"]))
        optimizer.step()
        if step + 1 < steps:
            scheduler.step() if metrics is None else scheduler.step(metrics[step])
    return found


def assert_same_rates(found, expected, rel=1e-6, floor=1e-12):
    assert [rate.lr for rate in found] == pytest.approx([lr for lr, _ in expected], rel=rel, abs=floor)


@given(LR, st.integers(1, 60), st.integers(1, 40), st.floats(0.05, 1))
def test_step_decay(lr, epochs, size, gamma):
    assert_same_rates(
        ours("step", lr, epochs, size=size, gamma=gamma),
        theirs(lambda o: lr_scheduler.StepLR(o, size, gamma), lr, epochs),
    )


@given(LR, st.integers(1, 60), st.lists(st.integers(0, 70), min_size=1, max_size=5), st.floats(0.05, 1))
def test_multi_step_decay_with_milestones_in_any_order(lr, epochs, milestones, gamma):
    text = " , ".join(map(str, milestones))
    assert_same_rates(
        ours("multi_step", lr, epochs, milestones=text, gamma=gamma),
        theirs(lambda o: lr_scheduler.MultiStepLR(o, sorted(milestones), gamma), lr, epochs),
    )


@given(LR, st.integers(1, 60), st.floats(0.05, 1))
def test_exponential_decay(lr, epochs, gamma):
    assert_same_rates(
        ours("exponential", lr, epochs, gamma=gamma),
        theirs(lambda o: lr_scheduler.ExponentialLR(o, gamma), lr, epochs),
        floor=0,
    )


@given(LR, st.integers(1, 60), st.floats(0.1, 5))
def test_polynomial_decay(lr, epochs, power):
    assert_same_rates(
        ours("polynomial", lr, epochs, power=power),
        theirs(lambda o: lr_scheduler.PolynomialLR(o, epochs, power), lr, epochs),
    )


@given(LR, st.integers(1, 60), st.floats(0, 1))
def test_cosine_by_epoch(lr, epochs, share):
    final = lr * share
    assert_same_rates(
        ours("cosine", lr, epochs, batches=3, final_lr=final)[::3],
        theirs(lambda o: lr_scheduler.CosineAnnealingLR(o, epochs, final), lr, epochs),
    )


@given(LR, st.integers(1, 20), st.integers(1, 7))
def test_cosine_by_step(lr, epochs, batches):
    steps = epochs * batches
    assert_same_rates(
        ours("cosine", lr, epochs, batches=batches, final_lr=0.0, moves="step"),
        theirs(lambda o: lr_scheduler.CosineAnnealingLR(o, steps), lr, steps),
    )


@given(LR, st.integers(1, 80), st.integers(1, 15), st.integers(1, 4), st.floats(0, 1))
def test_warm_restarts(lr, epochs, period, multiplier, share):
    final = lr * share
    assert_same_rates(
        ours("warm_restarts", lr, epochs, period=period, multiplier=multiplier, final_lr=final),
        theirs(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, period, multiplier, final), lr, epochs),
    )


@given(LR, st.integers(1, 25), st.integers(1, 8), st.floats(0, 0.9), st.floats(0, 1))
def test_warmup_is_linear_then_cosine_and_never_starts_at_zero(lr, epochs, batches, warmup, share):
    steps, final = epochs * batches, lr * share
    rising = round(warmup * steps)
    found = ours("warmup_cosine", lr, epochs, batches, warmup=warmup, final_lr=final)
    assert found[0].lr > 0
    if rising > 1:
        linear = partial(lr_scheduler.LinearLR, start_factor=1 / rising, total_iters=rising - 1)
        assert_same_rates(found[:rising], theirs(linear, lr, rising))
    cosine = partial(lr_scheduler.CosineAnnealingLR, T_max=max(1, steps - rising), eta_min=final)
    assert_same_rates(found[rising:], theirs(cosine, lr, steps - rising))


@given(
    lr=LR,
    epochs=st.integers(1, 25),
    batches=st.integers(1, 8),
    rise=st.floats(0.01, 0.99),
    first=st.floats(1.01, 100),
    last=st.floats(1, 1e5),
    momenta=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)).map(sorted),
)
def test_one_cycle_with_momentum(lr, epochs, batches, rise, first, last, momenta):
    steps, (low, high) = epochs * batches, momenta
    assume(abs(rise * steps - 1) > 1e-6)  # there torch divides by zero
    found = ours(
        "one_cycle", lr, epochs, batches, rise=rise, start_divisor=first, end_divisor=last,
        low_momentum=low, high_momentum=high,
    )  # fmt: skip
    expected = theirs(
        lambda o: lr_scheduler.OneCycleLR(
            o, lr, steps, pct_start=rise, div_factor=first, final_div_factor=last,
            base_momentum=low, max_momentum=high,
        ),
        lr, steps,
    )  # fmt: skip
    assert_same_rates(found, expected)
    assert [rate.momentum for rate in found] == pytest.approx([m for _, m in expected], rel=1e-6, abs=1e-9)


def test_one_cycle_where_torch_divides_by_zero():
    found = ours("one_cycle", 0.1, 1, 10, rise=0.1)  # the peak is the very first step
    assert found[0].lr == 0.1
    assert all(math.isfinite(rate.lr) and rate.lr > 0 for rate in found)


@given(
    lr=LR,
    losses=st.lists(
        st.one_of(
            st.floats(0, 10),
            st.sampled_from([0.5, 0.5 * (1 - 1e-4), 0.49999, 1.0, math.inf, math.nan]),
        ),
        max_size=60,
    ),
    factor=st.floats(0.05, 0.95),
    patience=st.integers(0, 6),
    lowest=st.floats(0, 0.5),
)
def test_plateau_on_any_history(lr, losses, factor, patience, lowest):
    found = ours(
        "plateau", lr, len(losses) + 1, losses=losses, factor=factor, patience=patience, min_lr=lowest
    )
    expected = theirs(
        lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=factor, patience=patience, min_lr=lowest),
        lr,
        len(losses) + 1,
        metrics=losses,
    )
    assert [rate.lr for rate in found] == [rate for rate, _ in expected]


def test_constant_never_moves():
    assert {rate.lr for rate in ours("constant", 0.3, 7, 5)} == {0.3}


@pytest.mark.parametrize(
    ("epoch", "rate"), [(0, 0.0100), (25, 0.00855), (50, 0.00505), (75, 0.00155), (100, 0.0001)]
)
def test_worked_cosine_table(epoch, rate):
    at = Moment(epoch, epoch, 100, 100)
    assert find("schedule", "cosine").function(at, 0.01, final_lr=0.0001) == pytest.approx(rate, abs=5e-6)


@pytest.mark.parametrize(("epoch", "divisor"), [(1, 1), (29, 1), (30, 10), (59, 10), (60, 100)])
def test_worked_step_table(epoch, divisor):
    at = Moment(epoch, epoch, 100, 100)
    assert find("schedule", "step").function(at, 0.01) == pytest.approx(0.01 / divisor)


def test_worked_warmup_of_5_in_100_epochs():
    found = ours("warmup_cosine", 0.01, 100, warmup=0.05)
    assert [rate.lr for rate in found[:6]] == pytest.approx([0.002, 0.004, 0.006, 0.008, 0.01, 0.01])


@pytest.mark.parametrize("name", list(families()["schedule"].techniques))
@given(lr=LR, epochs=st.integers(1, 30), batches=st.integers(1, 6))
@settings(max_examples=20)
def test_rates_stay_between_zero_and_the_base_rate_and_move_when_declared(name, lr, epochs, batches):
    found = [rate.lr for rate in ours(name, lr, epochs, batches, losses=[1.0] * epochs)]
    top = (
        find("schedule", name).knobs["end"].default if name == "range_test" else lr
    )  # a probe has its own bounds
    assert all(0 <= rate <= top * (1 + 1e-12) for rate in found)
    assert found[0] > 0, "the first update would be wasted"
    if find("schedule", name).facts["per"] != "step":
        for epoch in range(epochs):
            assert len(set(found[epoch * batches : (epoch + 1) * batches])) == 1


@pytest.mark.parametrize("name", list(families()["schedule"].techniques))
def test_the_loop_uses_the_schedule_step_for_step(name):
    config = small(schedule=name, epochs=4, learning_rate=0.01)
    _, log = go(config)
    batches = len(log.steps) // 4
    losses = [row["val_loss"] for row in log.epochs]
    expected = [rate.lr for rate in ours(name, 0.01, 4, batches, losses=losses)]
    assert log.column("lr") == expected


def test_plateau_in_a_run_answers_to_validation():
    config = small(schedule="plateau", schedule__patience=1, optimizer="sgd", learning_rate=1e-7, epochs=8)
    _, log = go(config)
    losses = [row["val_loss"] for row in log.epochs]
    expected = theirs(lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=1), 1e-7, 8, losses)
    batches = len(log.steps) // 8
    assert log.column("lr")[::batches] == [rate for rate, _ in expected]


@pytest.mark.parametrize("name", list(families()["optimizer"].techniques))
def test_one_cycle_moves_the_momentum_that_an_optimizer_has(name):
    trainer, log = trainer_of(small(optimizer=name, schedule="one_cycle", learning_rate=0.001, epochs=2))
    seen = []
    trainer.control = lambda: seen.append(dict(trainer.run.optimizer.param_groups[0]))
    trainer.run_epochs()
    seen.append(dict(trainer.run.optimizer.param_groups[0]))
    planned = [rate.momentum for rate in ours("one_cycle", 0.001, 2, len(log.steps) // 2)]
    for group, momentum in zip(seen[1:], planned, strict=True):
        if "betas" in group:
            assert group["betas"] == (momentum, 0.999)
        elif trainer.run.optimizer.defaults["momentum"]:
            assert group["momentum"] == momentum
        else:
            assert group["momentum"] == 0
    has_none = any("only the learning rate changes" in notice for notice in trainer.run.notices)
    assert has_none == (
        not trainer.run.optimizer.defaults.get("betas", trainer.run.optimizer.defaults.get("momentum"))
    )


def test_momentum_that_touches_zero_comes_back():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1, momentum=0.9)
    for momentum in (0.5, 0.0, 0.7):
        set_rates(optimizer, Rates(0.1, momentum))
        assert optimizer.param_groups[0]["momentum"] == momentum


def test_one_cycle_says_nothing_untrue_of_adam_with_beta1_zero():
    trainer, _ = trainer_of(small(optimizer="adam", optimizer__beta1=0, schedule="one_cycle"))
    assert not any("only the learning rate changes" in notice for notice in trainer.run.notices)
