"""What live components get from Python is JSON, with a color for each run in both themes."""

import json

from pages.widgets.health_panel import SCALES
from pages.widgets.live_chart import shared_data
from trainer.curves.charts import chart_specs
from trainer.curves.palette import PALETTE


def test_runs_keep_their_color_in_both_themes():
    light, dark = PALETTE["light"], PALETTE["dark"]
    assert len(light) == len(dark) == len(set(light)) == len(set(dark))


def test_what_the_browser_gets_is_json():
    data = shared_data("curves/chart_panel", "token") | {"charts": chart_specs(), "scales": SCALES}
    assert json.loads(json.dumps(data))["charts"][0]["parts"][0]["name"] == "loss"
