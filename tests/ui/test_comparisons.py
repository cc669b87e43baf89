"""The Comparisons page starts all runs of a comparison with one click."""

import pytest
from page_testing import VISITOR, text_of, widget

from trainer.config import RunConfig
from trainer.presets import PRESETS


def open_page(lab, name):
    app = lab.go(lab.open(), name).run()
    assert not app.exception
    return app


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_starts_its_runs_once(lab, name):
    app = open_page(lab, "experiments")
    widget(app, f"start-{name}").click().run()
    widget_runs = lab.store.runs(VISITOR)
    assert [run.name for run in reversed(widget_runs)] == list(PRESETS[name].runs)
    wanted = [config.to_dict() for config in PRESETS[name].configs().values()]
    assert [RunConfig.parse(run.config).to_dict() for run in reversed(widget_runs)] == wanted
    assert list(app.session_state["chart-selection"]) == sorted(run.id for run in widget_runs)


def test_every_preset_says_what_it_asks(lab):
    text = text_of(open_page(lab, "experiments"))
    for preset in PRESETS.values():
        assert preset.label in text
        assert preset.question in text


def test_a_preset_starts_also_with_knobs_in_the_address(lab):
    app = lab.go(lab.open(**{"dropout.rate": "0.3"}), "experiments")
    app = widget(app, "start-optimizers").click().run()
    assert not app.exception
    assert len(lab.store.runs(VISITOR)) == len(PRESETS["optimizers"].runs)
    assert "The runs are queued." in text_of(app)
