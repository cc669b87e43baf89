"""The engine's loop against one that a textbook would write, and what a run reports."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from engine_runs import STOP, Log, asks, exact, go, same_weights, small, trainer_of, weights_of

from trainer.config import ConfigError
from trainer.engine import build as engine
from trainer.engine.build import build
from trainer.engine.kept import FOLDER
from trainer.engine.loop import Trainer
from trainer.lifecycle.requests import Request, RequestKind
from trainer.streams import generator

INTERRUPT, RESUME = Request(RequestKind.INTERRUPT), Request(RequestKind.RESUME)
LEAVING = [kind for kind in RequestKind if Request(kind).leaves]


def train_in_float64(monkeypatch) -> None:
    """Runs of this test compute in float64 wherever they otherwise do in float32."""
    load, make = engine.load_data, engine.build_model

    def doubled(part):
        targets = part.targets.double() if part.targets.is_floating_point() else part.targets
        return replace(part, inputs=part.inputs.double(), targets=targets)

    def load_data(*arguments):
        data = load(*arguments)
        return replace(
            data, **{name: doubled(getattr(data, name)) for name in ("train", "validation", "test")}
        )

    monkeypatch.setattr(engine, "load_data", load_data)
    monkeypatch.setattr(engine, "build_model", lambda *arguments: make(*arguments).double())
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize(
    ("model", "data"), [("mlp", "two_moons"), ("mlp", "delivery_time"), ("cnn", "digits")]
)
def test_the_loop_is_the_textbook_loop(model, data, norm, clip, monkeypatch):
    """In float64: AdamW divides a gradient by its own size and blows a rounding error of float32 up, more on one CPU than on
    the next. Here they are tens of thousands of roundings of 2e-16 in each of at most ten steps."""
    train_in_float64(monkeypatch)
    values = {"data": data, "model": model, "normalization": norm, "optimizer": "adamw", "schedule": "cosine"}
    values |= {"learning_rate": 0.003, "epochs": 2, "batch_size": 512 if data == "digits" else 16}
    values |= {"data.samples": 80} if data != "digits" else {}
    values |= {"clipping": "by_norm", "clipping.max_norm": 0.5} if clip else {}
    config = small().changed({"model.layers": "", **values}) if model == "mlp" else small().changed(values)
    _, log = go(config.changed({"health": False}))

    run = build(config, Path("none"))
    network = copy.deepcopy(run.model)
    parameters = [torch.nn.Parameter(value.detach().clone()) for value in network.parameters()]
    for (name, _), fresh in zip(list(network.named_parameters()), parameters, strict=True):
        owner, _, leaf = name.rpartition(".")
        setattr(network.get_submodule(owner), leaf, fresh)
    optimizer = torch.optim.AdamW(parameters, lr=0.003)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2)
    criterion = torch.nn.CrossEntropyLoss() if run.data.task == "classification" else torch.nn.MSELoss()
    train, losses, norms, validation = run.data.train, [], [], []
    for epoch in range(2):
        network.train()
        order = torch.randperm(len(train), generator=generator(0, "order", epoch))
        for index in order.split(config.batch_size):
            optimizer.zero_grad()
            loss = criterion(network(train.inputs[index]), train.targets[index])
            loss.backward()
            norms.append(float(torch.nn.utils.clip_grad_norm_(parameters, 0.5 if clip else math.inf)))
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
        network.eval()
        with torch.no_grad():
            validation.append(
                float(criterion(network(run.data.validation.inputs), run.data.validation.targets))
            )
    assert log.losses == pytest.approx(losses, rel=1e-9)
    assert log.column("grad_norm") == pytest.approx(norms, rel=1e-9)
    assert [row["val_loss"] for row in log.epochs] == pytest.approx(validation, rel=1e-9)


def test_train_values_are_means_over_samples_not_over_batches():
    config = small(data__samples=40, batch_size=20, epochs=1)  # 28 samples: 20 + 8
    trainer, log = trainer_of(config)
    outputs = []
    trainer.run.model.register_forward_hook(
        lambda model, inputs, output: outputs.append(output.detach()) if model.training else None
    )
    trainer.run_epochs()
    sizes = trainer.sizes
    assert sizes == [20, 8]
    expected = sum(loss * size for loss, size in zip(log.losses, sizes, strict=True)) / 28
    assert log.epochs[0]["train_loss"] == pytest.approx(expected, rel=1e-12)
    order = torch.randperm(28, generator=generator(0, "order", 0))
    right = torch.cat(outputs).argmax(1) == trainer.run.data.train.targets[order]
    assert log.epochs[0]["train_metric"] == pytest.approx(float(right.float().mean()))


def test_every_sample_is_seen_once_an_epoch_in_an_order_of_its_own():
    trainer, _ = trainer_of(small(data__samples=66, batch_size=9, epochs=3))
    seen = []
    trainer.run.model.register_forward_pre_hook(
        lambda model, inputs: seen.append(inputs[0].clone()) if model.training else None
    )
    trainer.run_epochs()
    per_epoch = len(trainer.sizes)
    epochs = [torch.cat(seen[start : start + per_epoch]) for start in range(0, len(seen), per_epoch)]
    everything = trainer.run.data.train.inputs
    for epoch in epochs:
        assert torch.equal(epoch.sort(0).values, everything.sort(0).values)
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[1], epochs[2])


def test_what_a_run_reports():
    results, log = go(small(epochs=2))
    batches = len(log.steps) // 2
    assert log.column("step") == [float(step) for step in range(1, 2 * batches + 1)]
    assert [(row["epoch"], row["step"]) for row in log.epochs] == [(1, batches), (2, 2 * batches)]
    assert log.facts["total_steps"] == len(log.steps) == results.steps
    assert log.facts["steps_per_epoch"] == batches
    assert log.facts["parameters"] == results.parameters == 2 * 8 + 8 + 8 * 8 + 8 + 8 * 2 + 2
    assert (log.facts["device"], log.facts["metric"]) == ("cpu", "accuracy")
    assert results.stopped_by == "epochs"
    assert results.validation["loss"] == log.epochs[-1]["val_loss"]
    assert results.train["loss"] == log.epochs[-1]["train_loss"]
    assert results.best["val_loss"] == min(row["val_loss"] for row in log.epochs)
    assert 0 <= results.test["metric"] <= 1
    assert results.config == small(epochs=2).to_dict()
    assert results.steps_per_second > 0
    assert results.error is None


@pytest.mark.parametrize("request_", LEAVING)
def test_a_request_to_leave_ends_the_run_between_two_steps(request_, tmp_path):
    results, log = go(small(), tmp_path, asks(request_, [4]))
    assert results.stopped_by == request_
    assert results.steps == len(log.steps) == 4
    assert results.test["loss"] is None, "the test part is for finished runs"
    assert log.flushes >= 1, "points are safe before the checkpoint takes its name"


def test_a_request_that_does_not_leave_is_handed_over_once_between_two_steps():
    """And the run trains on as if there had been none."""
    straight, expected = go(small())
    trainer, log = trainer_of(small())
    pending, steps = {4: [RESUME], 9: [RESUME, RESUME]}, []
    trainer.control = lambda: next(iter(pending.get(trainer.state.step, [])), None)
    weights = weights_of(trainer.run)

    def adjust(request):
        assert request is pending[trainer.state.step].pop()
        steps.append(trainer.state.step)
        Trainer.adjust(trainer, request)

    trainer.adjust = adjust
    assert trainer.run_epochs() == straight.stopped_by
    assert steps == [4, 9, 9]
    assert log.handled_requests == [RESUME] * 3
    assert not same_weights(weights, weights_of(trainer.run)), "it has trained"
    assert (exact(log.steps), exact(log.epochs)) == (exact(expected.steps), exact(expected.epochs))


def test_a_pause_taken_back_before_the_first_step_is_no_reason_to_leave():
    results, log = go(
        small(epochs=1), control=lambda: None if log.handled_requests else RESUME, log=(log := Log())
    )
    assert results.stopped_by == "epochs"
    assert log.handled_requests == [RESUME]


def test_slow_motion_keeps_its_pace_and_still_listens():
    results, log = go(small(pace=200, epochs=1, data__samples=20))
    assert results.seconds >= len(log.steps) / 200 * 0.9
    asked = iter([None] * 3)
    stopped, short = go(small(pace=0.01), control=lambda: next(asked, STOP))  # a step every 100 seconds
    assert stopped.stopped_by == "stop"
    assert len(short.steps) == 1


class CoarseClock:
    """Time that passes in sleep, which always takes a few milliseconds too long, and a little when somebody looks."""

    now = 0.0

    def perf_counter(self):
        self.now += 1e-5
        return self.now

    def sleep(self, seconds):
        self.now += seconds + 0.004


def test_slow_motion_makes_up_for_a_coarse_clock(monkeypatch):
    monkeypatch.setattr("trainer.engine.loop.time", CoarseClock())
    results, log = go(small(pace=300, epochs=2))
    assert results.seconds == pytest.approx(len(log.steps) / 300, abs=0.02)


def test_a_gpu_that_is_not_there_is_refused_with_a_remedy(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"no GPU here. Set device=cpu or device=auto"):
        go(small(device="cuda"))


def test_auto_takes_what_there_is():
    results, _ = go(small(device="auto", epochs=1))
    assert results.device == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("freed", [True, False])
def test_a_full_disk_is_said_and_waited_for_unless_told_to_leave(freed, tmp_path, monkeypatch):
    import trainer.engine.checkpoint as checkpoint
    import trainer.engine.loop as loop

    write, tries = torch.save, []

    def full(*arguments):
        tries.append(1)
        if not freed or len(tries) < 3:
            raise OSError(28, "No space left on device")
        write(*arguments)

    monkeypatch.setattr(checkpoint.torch, "save", full)
    monkeypatch.setattr(loop.time, "sleep", lambda seconds: None)
    results, log = go(small(), tmp_path, lambda: INTERRUPT if len(tries) > 4 else None)
    assert results.stopped_by == "epochs"
    assert any("No space left on device" in notice and str(tmp_path) in notice for notice in log.notices)
    kept = [checkpoint.CURRENT, FOLDER, checkpoint.WEIGHTS] if freed else []
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
