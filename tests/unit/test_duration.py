"""How long runs will take is measured by training for a moment, and asked once for all seeds."""

import pytest

from trainer.config import ConfigError, RunConfig
from trainer.data import DataError
from trainer.preflight import duration as measuring
from trainer.preflight.duration import duration, duration_question, duration_sentence, run_seconds
from trainer.settings import Settings

SMALL = RunConfig.from_flat({"data": "two_moons", "data.samples": 60, "model.layers": "8", "epochs": 3})


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


def test_slow_motion_counts(settings):
    paced = SMALL.changed({"pace": 100, "batch_size": 8, "epochs": 200})  # of 42 samples: 1,200 steps
    assert run_seconds(paced, settings) > 11  # at most 100 steps a second; a busy machine makes fewer
    assert 0 < run_seconds(SMALL, settings) < run_seconds(paced, settings)


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
