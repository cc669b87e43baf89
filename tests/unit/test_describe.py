"""Runs in words: figures with their weights."""

import pytest

from trainer.describe.figures import figures, weights_at_end

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
