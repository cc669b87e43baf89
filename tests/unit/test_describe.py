"""Runs in words: figures with their weights, and what tells a run from others."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from trainer.config import RunConfig
from trainer.describe.figures import figures, weights_at_end
from trainer.describe.labels import differences, differences_of, run_label
from trainer.describe.live import count_in_words, progress_in_words, seconds_left
from trainer.engine.datasplit import steps_per_epoch
from trainer.lifecycle.states import RunState
from trainer.store import Run

ENDED = {
    "best": {"epoch": 12.0, "val_loss": 0.18, "val_metric": 0.959},
    "validation": {"loss": 0.21, "metric": 0.948},
    "test": {"loss": 0.3, "metric": 0.941},
    "restored_best": False,
    "unit": "mm",
}


def test_validation_and_test_of_the_same_weights_stand_together():
    shown = [(one.name, one.weights) for one in figures(ENDED, "classification")]
    assert shown == [
        ("Validation accuracy", "final weights"),
        ("Test accuracy", "final weights"),
        ("Validation loss", "best epoch 12"),
        ("Validation accuracy", "best epoch 12"),
    ]


def test_restored_weights_are_those_of_the_best_epoch():
    shown = figures(ENDED | {"restored_best": True}, "classification")
    assert {one.weights for one in shown} == {"best epoch 12"}
    assert [one.name for one in shown] == ["Validation accuracy", "Test accuracy", "Validation loss"]


def test_an_error_has_its_unit():
    assert figures(ENDED, "regression")[1].value == "0.941 mm"


@pytest.mark.parametrize(
    "results", [{}, {"best": {}}, {"best": [1], "test": "x"}, {"best": {"epoch": "x"}, "restored_best": 1}]
)
def test_results_of_a_run_from_elsewhere_may_be_anything(results):
    assert figures(results, "classification") == []
    assert isinstance(weights_at_end(results), str)


def config(**values) -> RunConfig:
    return RunConfig.from_flat({key.replace("__", "."): value for key, value in values.items()})


def test_a_run_is_named_by_what_differs_from_the_defaults():
    assert differences(config(learning_rate=1)).words == ["Learning rate 1"]
    assert differences(RunConfig()).words == ["Defaults"]
    assert differences(None).words == ["Knobs of another version"]


def test_the_knobs_that_the_lab_is_for_come_first_and_how_long_it_ran_last():
    differs = differences(config(seed=3, epochs=20, batch_size=8, dropout__rate=0.5, normalization="batch"))
    assert differs.words == ["Batch norm", "Dropout rate 0.5", "Batch size 8", "Epochs 20", "Seed 3"]


def test_against_a_baseline_only_what_differs_from_it_counts():
    base = config(schedule="one_cycle", learning_rate=0.005, normalization="batch")
    assert differences(base.changed({"dropout.rate": 0.5}), base).words == ["Dropout rate 0.5"]
    assert differences(base.changed({"normalization": "none"}), base).words == ["Normalization none"]
    assert differences(base, base).words == ["Same knobs"]


def test_a_label_holds_what_fits_and_counts_the_rest():
    assert run_label("Run 3", differences(config(learning_rate=1))) == "Run 3 · Learning rate 1"
    long = differences(
        config(normalization="batch", dropout__rate=0.5, schedule="one_cycle", learning_rate=1, seed=2)
    )
    assert run_label("Run 3", long) == "Run 3 · Batch norm, Dropout rate 0.5, One cycle +2"
    assert len(run_label("x" * 60, long)) < 80


def test_a_run_whose_knobs_changed_says_so():
    run = replace(live(1, "running"), changes=2)
    assert differences_of(run).words == ["Epochs 10", "changed while training"]
    assert differences_of(live(1, "running")).words == ["Epochs 10"]


def live(number, status, **progress) -> Run:
    nothing = {
        "name": "",
        "notes": "",
        "archived": False,
        "started": None,
        "ended": None,
        "attempt": 1,
        "beat": 0,
    }
    nothing |= {
        "request": None,
        "results": None,
        "error": None,
        "traceback": None,
        "notices": [],
        "version": 1,
    }
    return Run(
        id=number,
        number=number,
        owner="me",
        space="me",
        status=RunState(status),
        config=RunConfig(epochs=10).to_dict(),
        created=datetime.now(UTC),
        progress=progress,
        place=number,
        **nothing,
    )


def test_live_runs_are_taken_together():
    total = 10 * steps_per_epoch(RunConfig(epochs=10))
    runs = [
        live(1, "running", step=100, total_steps=total, steps_per_s=50.0),
        live(2, "queued"),
        live(3, "queued"),
    ]
    assert count_in_words(runs) == "1 training, 2 waiting"
    assert seconds_left(runs) == (3 * total - 100) / 50
    assert progress_in_words(runs[0]).startswith(f"step 100 / {total:,}, 50 steps/s, ")
    assert seconds_left(runs[1:]) is None  # nothing trains yet, so nobody knows the rate
    assert progress_in_words(runs[1]) == ""


def test_paused_runs_take_no_time():
    runs = [
        live(1, "running", step=0, total_steps=100, steps_per_s=10.0),
        live(2, "paused", step=5, total_steps=100),
    ]
    assert seconds_left(runs) == 10
    assert count_in_words(runs) == "1 training, 1 paused"
