"""The Health page without a browser: which run it shows, and what it says when there is nothing to show."""

import pytest
from page_testing import VISITOR, messages, text_of, widget

from pages.widgets import health_panel as widgets
from trainer.config import RunConfig
from trainer.lifecycle.requests import Request


@pytest.fixture
def drawn(monkeypatch):
    """What the component was told, newest last: AppTest has no component in it."""
    told = []
    monkeypatch.setattr(widgets, "_component", lambda data, key: told.extend(data))
    return told


def start(lab, **values):
    return lab.store.create_run(RunConfig().changed(values), VISITOR, status="running")


def open_health(lab, **query):
    app = lab.go(lab.open(**query), "health")
    assert not app.exception
    return app


def test_without_runs_it_says_where_to_begin(lab, drawn):
    assert "No runs yet" in text_of(open_health(lab))
    assert drawn == []


def test_the_newest_run_is_shown_first_and_another_can_be_chosen(lab, drawn):
    first = start(lab, data="two_moons", **{"clipping": "by_norm", "clipping.max_norm": 2.5})
    second = start(lab, data="digits", model="cnn", precision="fp16", early_stopping="patience")
    app = open_health(lab)
    assert (drawn[-1]["run"], drawn[-1]["pictures"]) == (second, ["mistakes", "confusion"])
    assert (drawn[-1]["scaled"], drawn[-1]["patience"], drawn[-1]["clips"]) == (True, 10, [])
    app = widget(app, "health-run").set_value(first).run()
    assert (drawn[-1]["run"], drawn[-1]["pictures"]) == (first, ["decision", "confusion"])
    assert (drawn[-1]["clips"], drawn[-1]["scaled"], drawn[-1]["patience"]) == ([2.5], False, None)
    assert str(first) in app.query_params["run"]


def test_every_threshold_at_which_a_run_has_clipped_is_drawn(lab, drawn):
    run_id = start(lab, **{"clipping": "by_norm", "clipping.max_norm": 2.5})
    for step, values in enumerate(
        ({"clipping.max_norm": 1.0}, {"learning_rate": 0.01}, {"clipping": "none"})
    ):
        lab.store.change_knobs(run_id, values, by=VISITOR)
        request = lab.store.record(run_id, 1)
        if step < 2:  # the last one still waits
            lab.store.record(run_id, 1, handled=[Request(request.kind, {**request.payload, "step": step})])
    open_health(lab)
    assert drawn[-1]["clips"] == [2.5, 1.0]


def test_a_link_names_a_run(lab, drawn):
    first, _ = start(lab, data="delivery_time"), start(lab)
    app = lab.open()
    app.query_params["run"] = str(first)
    app = lab.go(app, "health")
    assert not app.exception
    assert (drawn[-1]["run"], drawn[-1]["pictures"]) == (first, ["regression"])


def test_a_link_to_somebody_elses_run_shows_ones_own_and_says_so(lab, drawn):
    own = start(lab)
    foreign = lab.store.create_run(RunConfig(), "somebody else")
    app = lab.open()
    app.query_params["run"] = str(foreign)
    app = lab.go(app, "health")
    assert drawn[-1]["run"] == own
    assert "not among yours" in messages(app, "information")[0]


def test_a_run_without_health_says_why(lab, drawn):
    start(lab, health=False)
    assert "switched off for this run" in text_of(open_health(lab))
    old = start(lab)
    lab.store.finish(old, 1, "finished")
    assert "recorded no health" in text_of(open_health(lab))
    assert drawn == []


def test_a_probe_is_no_run_to_look_into(lab, drawn):
    lab.store.create_run(RunConfig().changed({"schedule": "range_test"}), VISITOR)
    assert "No runs yet" in text_of(open_health(lab))
