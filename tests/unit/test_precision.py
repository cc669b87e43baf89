"""Mixed precision: the dtype really used, the order scale → backward → unscale → norm → clip → step, skipped steps."""

import itertools
import math
from functools import partial

import pytest
import torch
from engine_runs import STOP, go, small, spoil_losses, trainer_of, weights_of
from engine_runs import same_weights as same

from trainer.engine.loop import evaluate

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def stop_after(trainer, steps):
    trainer.control = lambda: STOP if trainer.state.step >= steps else None
    trainer.run_epochs()


@pytest.mark.parametrize("model", ["mlp", "cnn"])
@pytest.mark.parametrize("precision", DTYPES)
def test_layers_compute_in_the_dtype_and_weights_stay_float32(precision, model):
    values = {"data": "digits", "batch_size": 256} if model == "cnn" else {}
    config = small(precision=precision, epochs=1).changed({**values, "model": model})
    trainer, _log = trainer_of(config)
    seen, losses = set(), set()
    for module in trainer.run.model.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            module.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    original = trainer.run.loss
    trainer.run.loss = lambda outputs, targets: (
        losses.add((value := original(outputs, targets)).dtype) or value
    )
    stop_after(trainer, 2)
    assert seen == {DTYPES[precision]}
    assert losses == {torch.float32}
    weights = trainer.run.weights
    assert {part.dtype for part in (*weights.parameters, *weights.gradients())} == {torch.float32}
    seen.clear()
    evaluate(trainer.run, trainer.run.data.validation)
    assert seen == {DTYPES[precision]}
    state = trainer.run.optimizer.state_dict()["state"]
    assert all(value.dtype == torch.float32 for group in state.values() for value in group.values())


def test_norm_and_clipping_see_unscaled_gradients():
    """Were the norm taken before unscaling, float16's would be 65,536 times too large, and everything clipped."""
    values = {"optimizer": "sgd", "clipping": "by_norm", "clipping.max_norm": 50.0, "learning_rate": 0.01}
    near = partial(
        pytest.approx, rel=4 * 6 * 2**-8
    )  # bfloat16 rounds to 2⁻⁸, in three layers there and back; and a margin
    logs = {name: go(small(precision=name, epochs=1).changed(values))[1] for name in DTYPES}
    for name in ("bf16", "fp16"):
        assert logs[name].column("grad_norm") == near(logs["fp32"].column("grad_norm"))
        assert logs[name].losses == near(logs["fp32"].losses)
        assert set(logs[name].column("clipped")) == {0.0}
        assert logs[name].losses != logs["fp32"].losses


def test_only_float16_has_a_loss_scale():
    for name in ("fp32", "bf16"):
        assert all(math.isnan(scale) for scale in go(small(precision=name))[1].column("loss_scale"))
    assert set(go(small(precision="fp16", epochs=1))[1].column("loss_scale")) == {65536.0}


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop"])
@pytest.mark.parametrize("bad", [1, 3])
def test_a_step_that_overflows_is_skipped_and_the_run_goes_on(optimizer, bad):
    trainer, log = trainer_of(small(precision="fp16", optimizer=optimizer, learning_rate=0.01, epochs=1))
    original, calls = trainer.run.loss, []

    def loss(outputs, targets):
        calls.append(1)
        value = original(outputs, targets)
        return value * 1e36 if len(calls) == bad else value  # finite, but not once it is scaled

    trainer.run.loss = loss
    seen = []
    trainer.control = lambda: seen.append(weights_of(trainer.run))
    assert trainer.run_epochs() == "epochs"
    assert math.isinf(log.column("grad_norm")[bad - 1]) or math.isnan(log.column("grad_norm")[bad - 1])
    assert math.isfinite(log.losses[bad - 1])
    moved = [not same(before, after) for before, after in itertools.pairwise(seen)]
    assert [number for number, one in enumerate(moved, start=1) if not one] == [bad]
    assert log.column("loss_scale")[bad - 1] == 65536
    assert set(log.column("loss_scale")[bad:]) == {32768.0}
    assert trainer.state.skipped_steps == 1
    assert all(torch.isfinite(value).all() for value in weights_of(trainer.run).values())


def test_results_count_skipped_steps(monkeypatch):
    spoil_losses(monkeypatch, {2: 1e36, 5: 1e36})
    results, _ = go(small(precision="fp16", epochs=1))
    assert results.skipped_steps == 2
    assert results.stopped_by == "epochs"


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_cpu_is_honestly_labelled(precision):
    _, log = go(small(precision=precision, epochs=1))
    assert any("CPU" in notice and "slower" in notice for notice in log.notices)
    assert not go(small(epochs=1))[1].notices


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here: float16 and bf16 on CUDA are not run")
@pytest.mark.parametrize("precision", DTYPES)
def test_on_a_gpu(precision):
    results, log = go(small(precision=precision, device="cuda", normalization="batch", dropout=0.2))
    assert results.device == "cuda"
    assert results.stopped_by == "epochs"
    assert all(math.isfinite(loss) for loss in log.losses)
