"""What is on the chart comes from the address and stays in it."""

import pytest
from page_testing import VISITOR, widget

from pages import train
from pages.widgets.chart_address import chart_parameters
from trainer.config import RunConfig


@pytest.fixture
def chart(lab, monkeypatch):
    """Three finished runs, and what the chart shows of them after each script run."""
    drawn = {}

    def live_panel(runs, token, **options):
        drawn.update(options, runs={run.id: run.visible for run in runs})

    monkeypatch.setattr(train, "live_panel", live_panel)
    for seed in range(3):
        lab.store.finish(lab.store.create_run(RunConfig(seed=seed), VISITOR, status="running"), 1, "finished")
    return drawn


def in_address(app):
    return chart_parameters(app.query_params)


def test_a_fresh_tab_shows_the_newest_runs_and_the_browsers_own_options(lab, chart):
    app = lab.open()
    assert chart["runs"] == {1: True, 2: True, 3: True}
    assert chart["options"] is None
    assert in_address(app) == {"chart.runs": "1-2-3"}


def test_a_link_brings_its_runs_and_options(lab, chart):
    app = lab.open(**{"chart.runs": "1-3-99", "chart.hidden": "3", "chart.x": "time", "chart.log": "true"})
    assert not app.exception
    assert chart["runs"] == {1: True, 3: False}
    assert chart["options"] == {"x": "time", "log": True, "smooth": 0.6, "full": False}
    assert in_address(app) == {
        "chart.runs": "1-3",
        "chart.hidden": "3",
        "chart.x": "time",
        "chart.log": "true",
    }
    assert not app.warning, "nothing in it is an unknown knob"


def test_another_visitors_link_shows_ones_own_runs(lab, chart):
    lab.open(**{"chart.runs": "98-99"})
    assert chart["runs"] == {1: True, 2: True, 3: True}


def test_a_cleared_chart_stays_clear_until_a_run_starts(lab, chart):
    app = lab.open(**{"chart.runs": "none"})
    assert chart["runs"] == {}
    assert in_address(app) == {"chart.runs": "none"}
    app = widget(app, "start").click().run()
    assert chart["runs"] == {4: True}
    assert in_address(app) == {"chart.runs": "4"}


def test_before_the_first_run_the_address_is_empty(lab):
    assert in_address(lab.open()) == {}
