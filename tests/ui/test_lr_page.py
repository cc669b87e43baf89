"""The LR finder page: one test at a time, and a click that takes a rate into the sidebar."""

import numpy as np
from page_testing import VISITOR, has, text_of, widget

from trainer.config import RunConfig
from trainer.engine.lr_finder import NAME, finder_config
from trainer.store import Batch


def open_finder(lab):
    app = lab.go(lab.open(), "lr-finder")
    assert not app.exception
    return app


def finished_test(lab):
    config = finder_config(RunConfig(), 1e-7, 1, 100)
    run_id = lab.store.create_run(config, VISITOR, name=NAME, status="running")
    rates = np.logspace(-7, 0, 100)
    losses = 2.3 - 1.8 / (1 + np.exp(-4 * (np.log10(rates) + 3)))
    rows = np.column_stack([np.arange(1, 101), losses, rates])
    lab.store.record(run_id, 1, [Batch("step", ("step", "loss", "lr"), rows)])
    lab.store.finish(run_id, 1, "finished", {"stopped_by": "range_test"})


def test_before_the_first_test_it_says_what_to_do(lab):
    assert "No test yet" in text_of(open_finder(lab))


def test_find_starts_one_test_with_the_sidebars_knobs(lab):
    app = lab.go(lab.open(**{"dropout.rate": "0.3"}), "lr-finder")
    app = widget(app, "find-lr").click().run()
    (run,) = lab.runs()
    config = RunConfig.parse(run.config)
    assert config.schedule.name == "range_test"
    assert config.dropout.knobs["rate"] == 0.3
    assert widget(app, "find-lr").disabled, "one test at a time"
    assert has(app, "stop-lr")


def test_a_suggestion_goes_into_the_sidebar(lab):
    finished_test(lab)
    app = open_finder(lab)
    shown = float(widget(app, "take-valley").label.split()[1])
    app = widget(app, "take-valley").click().run()
    assert app.session_state["learning_rate"] == shown
    assert 1e-5 < shown < 1


def test_a_suggestion_below_the_schedules_minimum_takes_that_along(lab):
    finished_test(lab)
    app = lab.go(lab.open(schedule="cosine", learning_rate="1", **{"schedule.final_lr": "0.9"}), "lr-finder")
    app = widget(app, "take-valley").click().run()
    assert not app.exception
    assert app.session_state["learning_rate"] == app.session_state["schedule.final_lr"] < 0.9


def test_an_impossible_range_is_said_and_cannot_start(lab):
    app = open_finder(lab)
    app = widget(app, "lr-start").set_value(2.0).run()
    assert "schedule.start" in text_of(app)
    assert widget(app, "find-lr").disabled


def test_the_train_page_does_not_compare_tests(lab):
    finished_test(lab)
    assert NAME not in text_of(lab.go(lab.open(), ""))
