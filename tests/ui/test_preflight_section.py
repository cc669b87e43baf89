"""The section "Before step 1" asks once opened, follows the knobs, withdraws what nobody waits for, never asks in circles."""

import pytest
from page_testing import has, messages, text_of, widget

from trainer.config import RunConfig
from trainer.preflight.dry_run import dry_run, question_of
from trainer.settings import get_settings
from trainer.store import inspections


def opened(lab, **query):
    app = lab.open(**query)
    app.session_state["before"] = True
    return app.run()


def answer_all(lab):
    """What the supervisor's processes do."""
    for job in lab.store.inspections("queued"):
        assert lab.store.start_inspection(job.id)
        lab.store.finish_inspection(job.id, dry_run(job.question, get_settings()))


def charts(app):
    return [chart for chart in app.get("plotly_chart") if "before-" in chart.proto.id]


def test_closed_it_asks_nothing(lab):
    app = lab.open()
    assert not app.exception
    assert lab.store.inspections() == []
    assert charts(app) == []


def test_opened_it_asks_and_says_what_it_waits_for(lab):
    app = opened(lab)
    assert not app.exception
    (asked,) = lab.store.inspections("queued")
    assert asked.question == question_of(RunConfig())
    assert "The trainer is not running" in text_of(app)
    assert charts(app) == []
    assert not widget(app, "start").disabled


def test_the_answer_is_drawn_with_its_reading(lab):
    app = opened(lab)
    answer_all(lab)
    app.run()
    assert not app.exception
    written = text_of(app)
    for words in (
        "First loss",
        "26,122",
        "ln 10 = 2.30",
        "keep their scale",
        "hidden2.linear",
        "float32 · chosen",
        "data:image",
    ):
        assert words in written, words
    assert len(charts(app)) == 2
    assert "hidden1.linear 0.797" in charts(app)[0].proto.alt
    assert len(lab.store.inspections()) == 1


def test_another_knob_asks_again_and_withdraws_the_question_before(lab):
    app = opened(lab)
    first = lab.store.inspections()[0].id
    widget(app, "initialization").select("too_small").run()
    (asked,) = lab.store.inspections()
    assert asked.id != first
    assert RunConfig.parse(asked.question["config"]).initialization.name == "too_small"
    answer_all(lab)
    app.run()
    assert "the signal vanishes" in text_of(app)
    widget(app, "initialization").select("kaiming_normal").run()
    assert "the signal vanishes" in text_of(app), "the last figures stay until the next are there"
    assert "The trainer is not running" in text_of(app)
    answer_all(lab)
    app.run()
    assert "the signal vanishes" not in text_of(app)
    assert len(lab.store.inspections("finished")) == 2


def test_the_learning_rate_asks_nothing_new(lab):
    app = opened(lab)
    answer_all(lab)
    widget(app, "learning_rate").set_value(0.5).run()
    assert len(lab.store.inspections()) == 1
    assert "0.5 throughout" in text_of(app)


def test_closing_withdraws_what_nobody_waits_for(lab):
    app = opened(lab)
    app.session_state["before"] = False
    app.run()
    assert not app.exception
    assert lab.store.inspections() == []


def test_a_failure_is_a_sentence_and_is_asked_again_on_request_only(lab):
    app = opened(lab)
    (asked,) = lab.store.inspections()
    lab.store.start_inspection(asked.id)
    lab.store.finish_inspection(asked.id, error="Memory *ran* out.")
    app.run()
    app.run()
    assert not app.exception
    assert messages(app, "problem") == ["Memory *ran* out."]
    assert [job.status for job in lab.store.inspections()] == ["failed"]
    widget(app, "before-again").click().run()
    assert [job.status for job in lab.store.inspections()] == ["queued"]
    answer_all(lab)
    app.run()
    assert not has(app, "before-again")
    assert len(charts(app)) == 2


def test_a_question_that_somebody_else_withdrew_is_asked_again(lab):
    app = opened(lab)
    lab.store.withdraw(lab.store.inspections()[0].id)
    app.run()
    assert not app.exception
    assert len(lab.store.inspections("queued")) == 1


def test_knobs_that_do_not_fit_and_data_that_is_not_here_say_so(lab):
    assert "once the knobs fit together" in text_of(opened(lab, normalization="batch", batch_size="1"))
    assert "once the data set is available" in text_of(opened(lab, data="mnist"))
    assert lab.store.inspections() == []


@pytest.mark.parametrize(
    "query",
    [
        {"initialization": "zeros", "model.depth": "20"},
        {"initialization": "too_large", "initialization.std": "100", "precision": "fp16"},
        {"data": "reviews", "model": "transformer"},
        {"data": "delivery_time", "clipping": "by_norm", "model.depth": "0"},
        {"data": "adding", "model": "rnn"},
        {"mixing": "cutmix", "random_erasing": "erase"},
    ],
)
def test_whatever_comes_back_can_be_drawn(lab, query):
    app = opened(lab, **query)
    answer_all(lab)
    app.run()
    assert not app.exception
    assert len(charts(app)) == 2


def test_answers_of_other_code_are_not_shown(lab, monkeypatch):
    app = opened(lab)
    answer_all(lab)
    app.run()
    monkeypatch.setattr(inspections, "code_stamp", lambda: "the next version")
    fresh = opened(lab)
    assert charts(fresh) == []
    assert len(lab.store.inspections("queued")) == 1
