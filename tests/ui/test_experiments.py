"""The Experiments page starts whole comparisons; the Reference page tells of every technique."""

import pytest
from page_testing import VISITOR, text_of, widget

from trainer.config import RunConfig
from trainer.presets import PRESETS
from trainer.registry import families


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
    assert list(app.session_state["lineup"]) == sorted(run.id for run in widget_runs)


def test_every_preset_says_what_it_asks(lab):
    text = text_of(open_page(lab, "experiments"))
    for preset in PRESETS.values():
        assert preset.label in text
        assert preset.question in text


@pytest.mark.parametrize("family", families())
def test_every_technique_is_explained(lab, family):
    app = open_page(lab, "reference")
    app = widget(app, "reference-family").set_value(family).run()
    assert not app.exception
    text = text_of(app)
    for technique in families()[family].techniques.values():
        assert technique.label in text
        for knob in technique.knobs.values():
            assert knob.label in text


def test_use_it_sets_the_sidebar(lab):
    app = open_page(lab, "reference")
    app = widget(app, "reference-family").set_value("schedule").run()
    app = widget(app, "use-schedule-cosine").click().run()
    assert app.session_state["schedule"] == "cosine"
