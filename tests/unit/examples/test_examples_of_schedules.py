"""Worked examples over a whole run: schedules and early stopping, from their definitions."""

import math

import pytest
from example_answers import example, line, near, table

from trainer.registry import families


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
