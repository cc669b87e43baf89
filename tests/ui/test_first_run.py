"""A tab's first script run leaves out what unchanged folded groups hold; nothing but their controls waits for the second."""

import pytest
from page_testing import VISITOR, has, messages, text_of, widget

from pages.widgets.link import bound_parameters
from trainer.config import RunConfig

FOLDED = ("batch_size", "epochs", "model.layers", "validation_share", "normalization", "seed", "seed.split")
LINK = {"optimizer": "SGD", "batch_size": "64", "dropout.rate": "0.5"}
CONFIG = RunConfig.from_flat({"optimizer": "sgd", "batch_size": 64, "dropout.rate": 0.5})


def shown_config(app) -> RunConfig:
    return app.session_state["page-context"].knobs.config


def test_what_is_folded_waits_for_the_second_run(lab):
    app = lab.arrive()
    assert not app.exception
    assert not any(has(app, key) for key in FOLDED)
    for key in ("normalization-batch", "dropout.rate", "learning_rate", "model", "data", "start"):
        assert has(app, key), key
    assert not widget(app, "start").disabled
    assert "Drawing these knobs" in text_of(app)
    assert shown_config(app) == RunConfig()
    app.run()
    assert all(has(app, key) for key in FOLDED)
    assert "Drawing these knobs" not in text_of(app)
    assert shown_config(app) == RunConfig()


def test_a_group_that_a_link_changes_is_drawn_at_once(lab):
    app = lab.arrive(**LINK)
    assert widget(app, "batch_size").value == 64
    assert widget(app, "optimizer").value == "sgd"
    assert not has(app, "validation_share")
    assert "Optimizer · 2 changed" in [one.label for one in app.expander]
    for _ in range(2):
        assert shown_config(app) == CONFIG
        assert app.query_params == bound_parameters(CONFIG.flat())
        app.run()


def test_a_link_in_the_other_spelling_is_rewritten_first(lab):
    app = lab.arrive(**{"optimizer": "sgd", "batch_size": "64", "dropout.rate": "0.5", "nonsense": "1"})
    assert len(messages(app, "warning")) == 1
    assert not has(app, "validation_share")
    assert app.query_params == bound_parameters(CONFIG.flat())
    assert has(app.run(), "validation_share")
    assert shown_config(app) == CONFIG


@pytest.mark.parametrize("query", [{}, LINK])
def test_reset_at_once(lab, query):
    app = lab.arrive(**query)
    widget(app, "reset-knobs").click().run()
    assert shown_config(app) == RunConfig()
    assert app.query_params == {}
    assert shown_config(app.run()) == RunConfig()


def test_an_open_knob_changed_at_once(lab):
    app = lab.arrive(**LINK)
    widget(app, "dropout.rate").set_value(0.2).run()
    assert shown_config(app) == CONFIG.changed({"dropout.rate": 0.2})
    assert has(app, "validation_share")


def test_the_toggle_at_once_and_the_choice_behind_it_later(lab):
    app = lab.arrive()
    widget(app, "normalization-batch").set_value(True).run()
    assert shown_config(app).normalization.name == "batch"
    widget(app, "normalization-batch").set_value(False).run()
    assert widget(app, "normalization").value == "none"


def test_a_conflict_is_said_at_once(lab):
    app = lab.arrive(validation_share="0.4", test_share="0.4")
    assert "less than 40" in text_of(app)
    assert widget(app, "start").disabled


def test_a_search_at_once_finds_what_waited(lab):
    app = lab.arrive()
    widget(app, "knob-search").set_value("batch size").run()
    assert widget(app, "batch_size").value == RunConfig().batch_size


def test_a_run_started_at_once_has_the_folded_values(lab):
    app = lab.arrive()
    widget(app, "start").click().run()
    (run,) = lab.runs()
    assert RunConfig.parse(run.config) == RunConfig()


def test_knobs_loaded_at_once_reach_what_waited(lab):
    config = RunConfig.from_flat({"batch_size": 128, "seed": 9, "early_stopping": "patience"})
    run = lab.store.create_run(config, VISITOR)
    lab.store.request(run, "stop", by=VISITOR)
    app = lab.arrive()
    app = lab.go(app, "runs")
    app.query_params["run"] = str(run)
    app.run()
    widget(app, f"load-{run}").click().run()
    assert shown_config(app) == config


def test_a_page_that_folds_all_knobs_keeps_them(lab):
    app = lab.go(lab.arrive(**LINK), "runs")
    assert shown_config(app) == CONFIG
    assert has(app, "validation_share")
