"""How long runs will take is measured by training for a moment, and asked once for all seeds."""

import pytest
import torch._dynamo  # noqa: F401 - an optimizer's first construction imports it, which takes seconds

from trainer.comparison.design import make_design
from trainer.config import ConfigError, RunConfig
from trainer.data import DataError
from trainer.preflight import duration as measuring
from trainer.preflight.duration import duration, duration_question, duration_sentence, run_seconds
from trainer.processes.mates import planned_share
from trainer.settings import Settings

SMALL = RunConfig.from_flat({"data": "two_moons", "data.samples": 60, "model.layers": "8", "epochs": 3})
LONG = SMALL.changed({"epochs": 2000})


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


def test_slow_motion_counts(settings):
    paced = SMALL.changed({"pace": 100, "batch_size": 8, "epochs": 200})  # of 42 samples: 1,200 steps
    slow = run_seconds(paced, settings, 4)
    assert slow.seconds > 11  # at most 100 steps a second; a busy machine makes fewer
    assert slow.together == 1, "in slow motion a run trains alone"
    assert 0 < run_seconds(SMALL, settings).seconds < slow.seconds


def test_seeds_that_train_together_are_measured_together(settings):
    assert run_seconds(LONG, settings).together == 1
    answer = duration(duration_question([LONG], 8), settings)
    assert answer["together"] == 8
    assert answer["seconds"] > 0
    assert duration_question([LONG], 8) != duration_question([LONG])


@pytest.mark.parametrize(
    ("seeds", "choices", "workers", "expected"),
    [
        (8, {}, 2, 8),
        (8, {}, 4, 4),
        (3, {}, 2, 3),
        (20, {}, 2, 8),
        (8, {"unit": "seconds", "until": 5}, 2, 1),
    ],
)
def test_how_many_a_worker_will_train_together(seeds, choices, workers, expected):
    design = make_design({"a": SMALL, "b": SMALL.changed({"dropout.rate": 0.5})}, seeds, **choices)
    assert planned_share(design, workers) == expected


def test_nothing_is_kept(settings):
    assert duration(duration_question([SMALL, SMALL.changed({"dropout.rate": 0.5})]), settings)["seconds"] > 0
    assert not [path for path in settings.home.rglob("*") if path.is_file()]


def test_other_seeds_are_the_same_question():
    assert duration_question([SMALL]) == duration_question([SMALL.changed({"seed": 7})])
    assert duration_question([SMALL]) != duration_question([SMALL.changed({"epochs": 4})])


def test_a_run_that_could_not_start_is_said(settings):
    with pytest.raises(DataError, match="cifar10 is not in"):
        duration(duration_question([SMALL.changed({"data": "cifar10"})]), settings)
    with pytest.raises(ConfigError):
        duration({"configs": [{"epochs": 0}]}, settings)


def test_a_step_that_takes_too_long_to_measure_is_said(settings, monkeypatch):
    monkeypatch.setattr(measuring, "MOMENT", 0.0)
    answer = duration(duration_question([SMALL]), settings)
    assert answer == {"seconds": None}
    assert "cannot be said before" in duration_sentence(answer, 12, 2)


def test_the_sentence_counts_what_trains_at_once():
    assert (
        duration_sentence({"seconds": 3.0}, 12, 2)
        == "12 runs, 2 at a time: about 18 s, unless they stop early."
    )
    assert duration_sentence({"seconds": 3.0}, 1, 2).startswith("1 run, 1 at a time: about 3.0 s")
    together = {"seconds": 1.0, "together": 4}
    assert duration_sentence(together, 16, 2).startswith("16 runs, 8 at a time in 2 processes: about 8.0 s")
    assert duration_sentence(together, 4, 2).startswith("4 runs, 4 at a time in 1 process: about 4.0 s")
