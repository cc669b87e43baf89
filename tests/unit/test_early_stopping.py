"""Early stopping: when it ends a run, what it restores, and that only validation decides."""

import math

import pytest
import torch
from engine_runs import exact, go, same_weights, saved_weights, small, trainer_of, weights_of
from hypothesis import given
from hypothesis import strategies as st

from trainer.engine.loop import Trainer
from trainer.registry import find

PATIENCE = find("early_stopping", "patience").function
STOPS = {
    "early_stopping": "patience",
    "early_stopping.patience": 3,
    "early_stopping.min_delta": 0.01,
    "epochs": 60,
    "learning_rate": 0.05,
    "model.layers": "32-32",
    "data.noise": 0.5,
}


def first_stop(losses, patience, min_delta):
    """The textbook loop, with state, one epoch after another."""
    best, bad = math.inf, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best - min_delta:
            best, bad = loss, 0
        else:
            bad += 1
        if bad >= patience:
            return epoch
    return None


LOSSES = st.lists(
    st.one_of(st.floats(0, 3), st.sampled_from([1.0, 1.001, 0.999, math.nan, math.inf])), max_size=40
)


@given(LOSSES, st.integers(1, 8), st.sampled_from([0.0, 0.001, 0.1]))
def test_stops_at_the_epoch_of_the_textbook_loop(losses, patience, min_delta):
    left = [
        PATIENCE(losses[: epoch + 1], patience=patience, min_delta=min_delta) for epoch in range(len(losses))
    ]
    found = next((epoch for epoch, rest in enumerate(left, start=1) if rest <= 0), None)
    assert found == first_stop(losses, patience, min_delta)


def test_worked_example():
    losses = [1.0, 0.9, 0.8995, 0.8993]  # gains under 0.001 do not count
    assert PATIENCE(losses, patience=2, min_delta=0.001) == 0
    assert PATIENCE(losses[:3], patience=2, min_delta=0.001) == 1
    assert find("early_stopping", "patience").knobs["patience"].default == 10
    assert find("early_stopping", "patience").knobs["min_delta"].default == 0.001
    assert find("early_stopping", "none").function([math.nan] * 1000) == math.inf


def test_a_run_stops_and_restores_the_best_weights(tmp_path):
    kept = {}

    class Keeping(Trainer):
        def end_epoch(self):
            super().end_epoch()
            kept[self.state.epoch] = weights_of(self.run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.engine.loop.Trainer", Keeping)
        results, log = go(small().changed(STOPS), tmp_path)
    losses = [row["val_loss"] for row in log.epochs]
    assert results.stopped_by == "early_stopping"
    assert results.epochs == len(losses) == first_stop(losses, 3, 0.01) < 60
    best = losses.index(min(losses)) + 1
    assert best < len(losses), "otherwise this would not show that weights are restored"
    assert results.best["epoch"] == best
    assert results.restored_best
    assert same_weights(saved_weights(tmp_path), kept[best])
    assert results.validation["loss"] == min(losses) == results.best["val_loss"]
    assert any(f"epoch {best}" in notice and "restored" in notice for notice in log.notices)


def test_the_best_weights_are_restored_also_when_the_epochs_run_out(tmp_path):
    values = {**STOPS, "early_stopping.patience": 1000, "epochs": 15}
    results, log = go(small().changed(values), tmp_path)
    assert results.stopped_by == "epochs"
    assert results.restored_best
    assert results.validation["loss"] == min(row["val_loss"] for row in log.epochs)


def test_without_early_stopping_the_last_weights_stay(tmp_path):
    results, log = go(
        small().changed({"epochs": 15, "learning_rate": 0.05, "model.layers": "32-32"}), tmp_path
    )
    assert not results.restored_best
    assert results.validation["loss"] == log.epochs[-1]["val_loss"]


@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
def test_the_test_part_decides_nothing(schedule):
    """A test part of NaN changes no step, no rate, no weight and no stopping epoch."""

    def run(spoil):
        config = small().changed({**STOPS, "schedule": schedule})
        trainer, log = trainer_of(config)
        if spoil:
            trainer.run.data.test.inputs.fill_(math.nan)
            trainer.run.data.test.targets.fill_(-1)
        return (
            trainer.run_epochs(),
            log.steps,
            log.epochs,
            torch.cat([part.reshape(-1) for part in trainer.run.weights.copies()]),
        )

    reason, steps, epochs, weights = run(False)
    spoiled = run(True)
    assert (reason, exact(steps), exact(epochs)) == (spoiled[0], exact(spoiled[1]), exact(spoiled[2]))
    assert torch.equal(weights, spoiled[3])
