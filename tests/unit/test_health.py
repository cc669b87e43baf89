"""Health series against hand computation and PyTorch's own numbers; and that sampling changes nothing."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from engine_runs import (
    Killed,
    asks,
    exact,
    go,
    same_weights,
    saved_weights,
    small,
    spoil_losses,
    summed,
    trainer_of,
)

from trainer.health.layout import Layout
from trainer.health.probe import Activations
from trainer.health.sampling import SAMPLES, sample_steps
from trainer.processes.control import Control
from trainer.processes.recorder import Recorder
from trainer.store import COMMAND_LINE, Store

MODELS = {
    "mlp": {},
    "mlp_large": {"model__layers": "320-320"},
    "cnn": {"data": "digits", "model": "cnn", "batch_size": 512, "epochs": 2},
    "resnet": {"data": "digits", "model": "resnet", "batch_size": 512, "epochs": 1},
    "rnn": {"data": "adding", "model": "rnn", "data__samples": 60, "model__hidden": 8},
    "lstm": {"data": "adding", "model": "lstm", "data__samples": 60, "model__hidden": 8, "model__depth": 2},
    "gru": {"data": "adding", "model": "gru", "data__samples": 60, "model__hidden": 8},
    "transformer": {"data": "adding", "model": "transformer", "data__samples": 60, "model__head_size": 4},
}  # fmt: skip


def column(log, name: str) -> list[float]:
    return [sample[name] for sample in log.samples]


# --- when ---


@pytest.mark.parametrize("total", [1, 2, 7, 8, 9, 63, 64, 100, 999, 6000, 123_457])
def test_samples_are_dense_at_first_and_then_even(total):
    steps = list(sample_steps(total))
    assert steps[0] == 1
    assert steps[-1] == total
    assert steps[:8] == list(range(1, min(8, total) + 1))
    assert len(steps) <= SAMPLES + 60
    gaps = np.diff(steps[:-1])
    assert (np.diff(gaps) >= 0).all(), "gaps only grow"


@pytest.mark.parametrize("after", [0, 1, 31, 32, 33, 499, 500])
def test_samples_after_a_resume_are_the_ones_that_are_left(after):
    assert list(sample_steps(500, after)) == [step for step in sample_steps(500) if step > after]


def test_a_run_is_sampled_when_its_length_says():
    results, log = go(small(epochs=4))
    assert column(log, "step") == list(sample_steps(results.steps))


def test_switched_off_nothing_is_recorded():
    assert go(small(health=False))[1].samples == []


# --- what ---


@pytest.mark.parametrize("model", MODELS)
def test_norms_are_autograds_and_ratios_are_the_measured_change(model):
    """A plain loop over the modules, at every step, with separate tensors."""
    trainer, log = trainer_of(small(**MODELS[model]))
    run, measured = trainer.run, []
    layers = {
        name: list(module.parameters(recurse=False))
        for name, module in run.model.named_modules()
        if any(parameter.ndim > 1 for parameter in module.parameters(recurse=False))
    }

    def norm(tensors):
        return math.sqrt(sum(float((tensor.double() ** 2).sum()) for tensor in tensors))

    plain_step = run.optimizer.step

    def step(*arguments):
        found = {f"grad_norm/{name}": norm(p.grad for p in own) for name, own in layers.items()}
        before = {name: [p.detach().clone() for p in own] for name, own in layers.items()}
        plain_step(*arguments)
        for name, own in layers.items():
            found[f"weight_norm/{name}"] = norm(before[name])
            change = norm(p.detach() - old for p, old in zip(own, before[name], strict=True))
            found[f"update_ratio/{name}"] = change / norm(before[name])
        measured.append(found)

    run.optimizer.step = step
    trainer.run_epochs()
    assert len(log.samples) >= 3
    for sample in log.samples:
        wanted = measured[int(sample["step"]) - 1]
        for name, value in wanted.items():
            assert sample[name] == pytest.approx(value, rel=summed(run.parameters), abs=1e-9), (
                sample["step"],
                name,
            )
    assert {name for name in log.samples[0] if not name.startswith(("act_", "step"))} == set(measured[0])


def test_gradients_are_recorded_as_they_are_before_clipping():
    trainer, log = trainer_of(small(clipping="by_norm", clipping__max_norm=0.01))
    trainer.run_epochs()
    norms = [
        math.hypot(*(value for name, value in sample.items() if name.startswith("grad_norm/")))
        for sample in log.samples
    ]
    recorded = dict(zip(log.column("step"), log.column("grad_norm"), strict=True))
    wanted = [recorded[step] for step in column(log, "step")]
    assert norms == pytest.approx(wanted, rel=summed(trainer.run.parameters))
    assert max(norms) > 0.02


def test_activations_on_a_net_small_enough_to_compute_by_hand():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.activation = torch.nn.ReLU()

        def forward(self, inputs):
            return self.activation(inputs) + 1

    net = Net()
    activations = Activations(net)
    activations.attach()
    inputs = torch.tensor([[1.0, -2.0, 0.0, 3.0], [3.0, -1.0, 5e-7, -1.0]])
    assert torch.equal(net(inputs), inputs.clamp(min=0) + 1)
    activations.detach()
    means, deviations, shares = activations.take()
    seen = np.array([1, 0, 0, 3, 3, 0, 5e-7, 0])
    layout = Layout((), (), ("activation",), [4])
    row = layout.rows([1], [torch.cat([torch.stack([*means, *deviations]), *shares]).numpy()])[0]
    wanted = [1, seen.mean(), seen.std(), 5 / 8, 2 / 4]
    assert row == pytest.approx(wanted, rel=1e-6)
    assert net.activation._forward_hooks == {}


def test_a_channel_is_dead_where_it_is_zero_at_every_position():
    activations = Activations(torch.nn.Sequential())
    images = torch.zeros(3, 2, 4, 4)
    images[1, 1, 2, 2] = 7
    activations.modules = {"activation": torch.nn.ReLU()}
    activations.attach()
    activations.modules["activation"](images)
    (mean,), (deviation,), (share,) = activations.take()
    assert (share == 1).tolist() == [True, False]
    assert float(mean) == pytest.approx(7 / 96)
    assert float(deviation) == pytest.approx(images.std(correction=0))


def test_dead_units_are_counted_in_a_real_run():
    """Biases far below zero kill the first layer; what comes after sees only zeros."""
    trainer, log = trainer_of(small(epochs=1))
    with torch.no_grad():
        trainer.run.model.hidden1.linear.bias.fill_(-1e3)
    trainer.run_epochs()
    assert set(column(log, "act_dead/hidden1.activation")) == {1.0}
    assert set(column(log, "act_zero/hidden1.activation")) == {1.0}
    assert set(column(log, "grad_norm/hidden1.linear")) == {0.0}


@pytest.mark.parametrize("model", MODELS)
def test_every_watched_module_of_every_model_is_seen(model):
    _, log = go(small(**MODELS[model]))
    activations = {name: value for name, value in log.samples[0].items() if name.startswith("act_")}
    assert activations
    assert all(math.isfinite(value) for sample in log.samples for value in sample.values())
    assert all(0 <= value <= 1 for name, value in activations.items() if "zero" in name or "dead" in name)


# --- when things go wrong ---


def test_a_step_that_the_loss_scaler_skips_changes_nothing(monkeypatch):
    spoil_losses(monkeypatch, {3: 1e30})
    _, log = go(small(precision="fp16"))
    skipped = log.samples[2]
    assert skipped["step"] == 3
    assert not math.isfinite(skipped["grad_norm/output"])
    assert skipped["update_ratio/output"] == 0
    assert log.samples[3]["update_ratio/output"] > 0


@pytest.mark.parametrize("step", [4, 9])  # 9 is not among the samples
def test_the_step_of_a_failure_is_sampled(monkeypatch, step):
    spoil_losses(monkeypatch, {step: math.nan})
    results, log = go(small())
    assert results.stopped_by == "non_finite_loss"
    last = log.samples[-1]
    assert last["step"] == step
    assert math.isnan(last["grad_norm/output"])
    assert last["weight_norm/output"] > 0
    assert math.isnan(last["update_ratio/output"]), "the step was not taken"


def test_weights_of_zero_have_no_ratio_and_break_nothing():
    _, log = go(small(initialization="zeros"))
    assert log.samples[0]["weight_norm/hidden1.linear"] == 0
    assert not math.isfinite(log.samples[0]["update_ratio/hidden1.linear"])


# --- nothing changes ---


SETTINGS = {
    "plain": {},
    "dropout": {"dropout__rate": 0.3},
    "batch": {"normalization": "batch"},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},
    "clipped": {"clipping": "by_norm", "clipping__max_norm": 0.1},
}


PAIRS = [  # a third of all pairs, in which every model and every setting occurs
    (model, setting)
    for row, model in enumerate(MODELS)
    for column, setting in enumerate(SETTINGS)
    if (row + column) % 3 == 0
    and (model, setting) != ("transformer", "batch")  # it has layer norm of its own
]


@pytest.mark.parametrize(("model", "setting"), PAIRS)
def test_sampling_changes_no_bit(model, setting, tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.health.pictures.PAUSE", 0)
    monkeypatch.setattr("trainer.health.pictures.SHARE", math.inf)  # pictures after every epoch
    values = {**MODELS[model], **SETTINGS[setting], "epochs": 2}
    runs = [go(small(**values, health=health), tmp_path / str(health)) for health in (True, False)]
    (seen, seen_log), (unseen, unseen_log) = runs
    assert seen_log.samples
    assert seen_log.views
    assert exact(seen_log.steps) == exact(unseen_log.steps)
    assert exact(seen_log.epochs) == exact(unseen_log.epochs)
    assert (seen.validation, seen.test) == (unseen.validation, unseen.test)
    assert same_weights(saved_weights(tmp_path / "True"), saved_weights(tmp_path / "False"))


def test_sampling_changes_no_bit_of_augmented_training(tmp_path):
    values = {"data": "digits", "model": "cnn", "batch_size": 512, "epochs": 1, "rotation": "rotate",
              "random_crop": "resized", "mixing": "mixup", "dropout__rate": 0.2}  # fmt: skip
    logs = [go(small(**values, health=health))[1] for health in (True, False)]
    assert exact(logs[0].steps) == exact(logs[1].steps)


def test_after_a_kill_the_samples_are_those_of_an_uninterrupted_run(tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.engine.loop.CHECKPOINT_EVERY", 0.0)
    config = small(epochs=5, dropout__rate=0.2)
    _, whole = go(config)
    with pytest.raises(Killed):
        go(config, tmp_path, asks("kill", [17]))
    _, rest = go(config, tmp_path)
    again = {sample["step"]: sample for sample in whole.samples}
    assert rest.samples
    assert all(sample == again[sample["step"]] for sample in rest.samples)
    assert rest.samples[-1] == whole.samples[-1]


# --- on the way to the store ---


def test_samples_arrive_in_the_store_once(tmp_path: Path):
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    run_id = store.create_run({}, "ada")
    layout = Layout(("output",), (0,), ())
    for attempt in (store.claim(run_id), None):
        if attempt is None:
            store.finish(run_id, 1, "paused")
            store.resume(run_id, by=COMMAND_LINE)
            attempt = store.claim(run_id)
        with Recorder(store, run_id, attempt, Control()) as recorder:
            for step in (1, 2, 3):
                recorder.health(step, layout, torch.tensor([1.0, 2.0, float("inf")]))
    points = store.read_points(run_id, "health")
    assert points.columns == ("step", "grad_norm/output", "weight_norm/output", "update_ratio/output")
    assert points.array.tolist() == [[step, 1, 2, math.inf] for step in (1.0, 2.0, 3.0)]
    store.close()
