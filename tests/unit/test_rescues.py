"""What the lessons promise to show: a technique turns a run that fails into one that learns, whatever the seed."""

import pytest
from engine_runs import go

from trainer.config import RunConfig

RNN = {
    "data": "adding", "data.length": 20, "data.samples": 1000, "model": "rnn", "model.hidden": 32, "device": "cpu",
    "initialization": "orthogonal", "optimizer": "momentum", "learning_rate": 0.03, "epochs": 15,
}  # fmt: skip
TRANSFORMER = {
    "data": "digits", "model": "transformer", "model.norm": "post", "model.blocks": 4, "device": "cpu",
    "learning_rate": 0.006, "epochs": 4,
}  # fmt: skip


def validation(*parts):
    values = {key: value for part in parts for key, value in part.items()}
    return go(RunConfig.from_flat(values))[0].validation


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_gradient_clipping_rescues_a_plain_rnn(seed):
    """The loss is in units of the targets' variance: 1 is what always guessing the mean gives."""
    without = validation(RNN, {"seed": seed})
    clipped = validation(RNN, {"seed": seed, "clipping": "by_norm"})
    assert without["loss"] > 0.7
    assert clipped["loss"] < 0.55


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_warmup_rescues_a_post_norm_transformer(seed):
    """Of ten classes; the twin differs by the warmup alone, both fall along half a cosine."""
    without = validation(TRANSFORMER, {"seed": seed, "schedule": "cosine"})
    warm = {"schedule": "warmup_cosine", "schedule.warmup": 0.3}
    warmed = validation(TRANSFORMER, {"seed": seed, **warm})
    assert without["metric"] < 0.6
    assert warmed["metric"] > 0.75


def test_pre_norm_needs_no_warmup():
    assert validation(TRANSFORMER, {"model.norm": "pre", "schedule": "cosine"})["metric"] > 0.85
