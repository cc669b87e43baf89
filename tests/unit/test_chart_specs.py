"""What the live charts declare is what the browser can draw: known series, each chart by its own name, and JSON throughout."""

import json

from pages.widgets.health_panel import SCALES
from pages.widgets.live_chart import PALETTE, Metric, charts, shared_data
from trainer.curves.deltas import SERIES, SMOOTHED


def test_charts_show_series_that_the_live_connection_carries():
    for chart in charts(Metric()):
        assert chart["parts"]
        assert all(part["name"] in SERIES[part["kind"]] for part in chart["parts"]), chart["name"]


def test_what_is_smoothed_travels_with_means():
    parts = [part for chart in charts(Metric()) for part in chart["parts"] if part["kind"] == "step"]
    assert {part["name"] for part in parts if part["smoothed"]} == SMOOTHED


def test_the_metric_names_its_chart_and_its_unit():
    shown = {chart["name"]: chart for chart in charts(Metric("Mean absolute error", percent=False))}
    assert (shown["metric"]["title"], shown["metric"]["percent"]) == ("Mean absolute error", False)
    assert len(shown) == len(charts(Metric()))


def test_runs_keep_their_color_in_both_themes():
    assert (
        len(PALETTE["light"]) == len(PALETTE["dark"]) == len({*PALETTE["light"]}) == len({*PALETTE["dark"]})
    )


def test_what_the_browser_gets_is_json():
    data = shared_data("curves/chart_panel", "token") | {"charts": charts(Metric()), "scales": SCALES}
    assert json.loads(json.dumps(data))["charts"][0]["parts"][0]["name"] == "loss"
