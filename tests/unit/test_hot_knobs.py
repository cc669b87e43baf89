"""Knobs that change while a run trains: what may change, and that each change is exact and comes again on resume."""

from collections import deque

import pytest
import torch
from engine_runs import Killed, Log, exact, go, same_weights, saved_weights, small
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.config import ConfigError, RunConfig
from trainer.engine import checkpoint, hot, loop
from trainer.engine.build import build
from trainer.lifecycle.hot_knobs import changed_in_training, hot_knobs, values_of
from trainer.lifecycle.requests import Request, RequestKind
from trainer.registry import families

CHANGES = {
    "learning rate": {"learning_rate": 0.005},
    "dropout on": {"dropout.rate": 0.5, "dropout.input_rate": 0.1},
    "weight decay": {"optimizer.weight_decay": 0.1},
    "clipping": {"clipping": "by_norm", "clipping.max_norm": 0.05},
    "schedule": {"schedule": "one_cycle"},
    "schedule knob": {"schedule": "cosine", "schedule.moves": "step"},
    "label smoothing": {"label_smoothing.amount": 0.3},
    "batch size": {"batch_size": 16},
    "several": {"batch_size": 5, "learning_rate": 0.02, "dropout.rate": 0.0},
}
RATES = {f"dropout.{name}": 0.3 for name in families()["dropout"]["dropout"].knobs}


class Desk:
    """Requests as a worker passes them on: changes at their steps, and one kill or request to leave."""

    def __init__(self, planned, log, leave=None):
        """`planned`: (step at which it is asked for, number, values); `leave`: (calls until then, what is done)."""
        self.planned, self.log, self.leave, self.waiting = deque(planned), log, leave, deque()
        log.handled = self.handled
        self.applied = []

    def __call__(self):
        if self.leave is not None:
            calls, how = self.leave
            self.leave = (calls - 1, how)
            if calls == 0:
                if how == "kill":
                    raise Killed
                return Request(RequestKind(how))
        while self.planned and len(self.log.steps) >= self.planned[0][0]:
            _, number, values = self.planned.popleft()
            self.waiting.append(Request(RequestKind.CHANGE, {"number": number, "values": values}))
        return self.waiting[0] if self.waiting else None

    def handled(self, request):
        self.waiting.popleft()
        self.applied.append(request)


def train(config, planned, folder=None, replayed=(), leave=None):
    log = Log()
    desk = Desk(planned, log, leave)
    desk.waiting.extend(replayed)
    try:
        results, _ = go(config, folder, desk, log=log)
    except Killed:
        results = None
    return results, log, desk.applied


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_holds_from_its_step_on_and_not_before(name):
    config = small(optimizer="adamw", learning_rate=0.01, epochs=4)
    _, plain = go(config)
    results, log, (applied,) = train(config, [(7, 1, CHANGES[name])])
    step = applied.payload["step"]
    per_epoch = len(plain.steps) // 4
    assert step == (2 * per_epoch if "batch_size" in CHANGES[name] else 7)
    assert exact(log.steps[:step]) == exact(plain.steps[:step])
    assert exact(log.steps[step:]) != exact(plain.steps[step:])
    assert results.config == config.to_dict(), "results keep what the run began with"
    assert results.epochs == 4
    assert log.facts["total_steps"] == len(log.steps) == results.steps


def test_a_new_learning_rate_is_that_of_the_next_step():
    _, log, _ = train(small(learning_rate=0.01), [(5, 1, {"learning_rate": 0.1})])
    assert log.column("lr")[:7] == [0.01] * 5 + [0.1] * 2


def test_a_schedule_counts_from_the_start_of_the_run():
    config = small(learning_rate=0.01, epochs=4)
    late = {"schedule": "cosine", "schedule.moves": "step"}
    _, straight = go(config.changed(late))
    _, log, _ = train(config, [(9, 1, late)])
    assert log.column("lr") == [0.01] * 9 + straight.column("lr")[9:]


def test_a_schedule_that_moved_momentum_leaves_the_optimizers_own():
    config = small(optimizer="momentum", schedule="one_cycle")
    run = build(config, loop.Path("none"))
    run.optimizer.param_groups[0]["momentum"] = 0.85
    hot.apply(run, config.changed({"schedule": "constant"}))
    assert run.optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("name", CHANGES)
@given(cut=st.integers(0, 22), how=st.sampled_from(["kill", "pause", "interrupt"]))
@settings(max_examples=6)
def test_resume_repeats_the_changes_bit_for_bit(tmp_path_factory, name, cut, how):
    """Cut anywhere, before or after the changes: what was applied comes again at its step, as the store hands it over."""
    config = small(optimizer="adamw", normalization="batch", learning_rate=0.01, epochs=4, dropout__rate=0.2)
    planned = [(4, 1, CHANGES[name]), (11, 2, {"learning_rate": 0.003, "dropout.rate": 0.4})]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "CHECKPOINT_EVERY", 0.0)
        whole, other = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("cut")
        expected, straight, changes = train(config, planned, whole)
        results, log, applied = train(config, planned, other, leave=(cut, how))
        rows = log.steps
        if results is None or results.stopped_by == how:
            assert applied == changes[: len(applied)]
            results, log, again = train(config, [], other, replayed=changes)
            assert again == changes
            rows = [*rows[: int(log.steps[0]["step"]) - 1], *log.steps]
    assert exact(rows) == exact(straight.steps)
    assert same_weights(saved_weights(other), saved_weights(whole))
    assert exact([results.validation, results.test]) == exact([expected.validation, expected.test])
    assert results.steps == expected.steps


def test_a_new_change_waits_until_what_was_recorded_is_trained_again():
    """Else a part of the curve would have been trained with knobs that no change explains."""
    request = Request(RequestKind.CHANGE, {"number": 1, "values": {"learning_rate": 0.1}, "after": 6})
    _, log, (applied,) = train(small(learning_rate=0.01), [], replayed=[request])
    assert applied.payload["step"] == 6
    assert log.column("lr")[5:7] == [0.01, 0.1]


@pytest.mark.parametrize("model", list(families()["model"].techniques))
@pytest.mark.parametrize("on", [True, False])
def test_dropout_comes_and_goes_in_every_model(model, on):
    values = {"data": "digits", "model": model, "batch_size": 512}
    none, some = small(**values), small(**values).changed(RATES)
    before, after = (none, some) if on else (some, none)
    run, fresh = (build(config, loop.Path("none")) for config in (before, after))
    state, kept = torch.get_rng_state(), {id(one) for one in run.model.parameters()}
    hot.apply(run, after)
    assert torch.equal(torch.get_rng_state(), state), "no random number is drawn"
    assert {id(one) for one in run.model.parameters()} == kept, "the optimizer still has the weights"
    assert repr(run.model) == repr(fresh.model)
    inputs = run.data.train.inputs[:32]
    outputs = []
    for built in (run, fresh):
        torch.manual_seed(5)
        outputs.append(built.model.train()(inputs))
    assert torch.equal(*outputs)


def test_a_checkpoint_changes_no_knob_that_is_fixed(tmp_path):
    """That of an imported run may say anything."""
    train(small(), [(4, 1, {"learning_rate": 0.1})], tmp_path)
    saved, _ = checkpoint.load(tmp_path)
    longer = small().changed({"learning_rate": 0.1, "epochs": 10_000}).to_json()
    checkpoint.save(tmp_path, {**saved, "config": longer})
    with pytest.raises(ConfigError, match=r"Epochs .* is fixed"):
        go(small(), tmp_path)


def test_which_knobs_are_hot():
    assert list(hot_knobs(RunConfig())) == [
        "dropout.rate",
        "dropout.input_rate",
        "schedule",
        "learning_rate",
        "batch_size",
        "optimizer.weight_decay",
        "clipping",
        "label_smoothing.amount",
    ]
    regression = RunConfig.from_flat({"data": "delivery_time", "clipping": "by_norm"})
    assert "label_smoothing.amount" not in hot_knobs(regression)
    assert "clipping.max_norm" in hot_knobs(regression)
    assert hot_knobs(RunConfig.from_flat({"schedule": "range_test"})) == {}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"optimizer": "sgd"}, r"Optimizer \(optimizer\) is fixed while a run trains: it is Adam, not SGD"),
        ({"model.width": 64}, r"model.width\) is fixed .* it is 128, not 64"),
        ({"seed": 1}, "fixed while a run trains"),
        ({"dropout.conv_rate": 0.5}, "fixed while a run trains"),
        ({"learning_rate": 0.001}, "Nothing would change"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"learning_rate": 0.01, "schedule": "cosine", "schedule.final_lr": 0.1}, "above the learning rate"),
        ({"schedule": "range_test"}, "LR finder"),
        ({"momentum": 1}, "momentum"),
    ],
)
def test_what_may_not_change_says_so(values, said):
    with pytest.raises(ConfigError, match=said):
        changed_in_training(RunConfig(), values)


def test_batch_norm_refuses_batches_of_one():
    with pytest.raises(ConfigError, match="needs a batch size of at least"):
        changed_in_training(RunConfig.from_flat({"normalization": "batch"}), {"batch_size": 1})


def test_a_newly_chosen_technique_is_kept_with_all_its_knobs():
    before = RunConfig()
    assert values_of(before, before.changed({"schedule": "step"})) == {
        "schedule": "step",
        "schedule.size": 30,
        "schedule.gamma": 0.1,
    }
    assert values_of(before, before.changed({"learning_rate": 0.1})) == {"learning_rate": 0.1}
