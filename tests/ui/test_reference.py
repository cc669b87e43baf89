"""The Reference page tells of every technique, and shows its worked example once it is computed."""

import pytest
from page_testing import messages, text_of, widget

from pages.reference import title_of
from trainer.examples import makers, question_of
from trainer.processes.inspection import answer
from trainer.registry import families, find
from trainer.settings import get_settings


def open_at(lab, key=""):
    app = lab.go(lab.open(**({"technique": key} if key else {})), "reference")
    assert not app.exception
    return app


def titles(app):
    return [html.proto.body for html in app.get("html") if "<h2" in html.proto.body]


def shown(app):
    return app.query_params["technique"]


def finish(lab):
    """Answers the question that waits, as the supervisor's process does."""
    (job,) = lab.store.inspections("queued")
    lab.store.finish_inspection(job.id, answer(job.kind, job.question, get_settings()))


def test_every_technique_is_explained(lab):
    app = open_at(lab)  # one tab for all: to open one takes longer than to read ten
    for family in families().values():
        app = widget(app, "reference-family").set_value(family.name).run()
        for technique in family.techniques.values():
            app.query_params["technique"] = f"{family.name}.{technique.name}"
            app = app.run()
            assert not app.exception, technique
            text = text_of(app)
            assert technique.facts["when"].split("“")[0] in text.replace("&#x27;", "'")
            assert [latex.value for latex in app.latex] == [f"$$\n{technique.facts['formula']}\n$$"]
            assert title_of(technique) in titles(app)[0].replace("&#x27;", "'")
            for knob in technique.knobs.values():
                assert knob.label in text


def test_a_link_leads_to_one_technique_and_a_wrong_one_is_said(lab):
    assert "Cosine annealing" in titles(open_at(lab, "schedule.cosine"))[0]
    assert "Batch norm" in titles(open_at(lab, "normalization"))[0], "of a family what does something"
    app = open_at(lab, "schedule.**cosin**<b>")
    for _ in range(2):  # a page that is drawn again before it is read still says so
        assert "There is no technique called" in messages(app, "warning")[0]
        assert shown(app) == "normalization.batch"
        app.run()
    assert not messages(app.button(key="dismiss-notices").click().run(), "warning")


def test_family_neighbours_and_search_lead_on(lab):
    app = widget(open_at(lab), "reference-family").set_value("schedule").run()
    assert shown(app) == "schedule.constant"
    app.get("button_group")[0].set_value("cosine").run()
    assert shown(app) == "schedule.cosine"
    app = widget(app, "reference-find").set_value("optimizer.adamw").run()
    assert shown(app) == "optimizer.adamw"
    assert widget(app, "reference-find").value is None
    assert widget(app, "reference-family").value == "optimizer"


def test_use_it_sets_the_sidebar(lab):
    app = open_at(lab, "schedule.cosine")
    app = widget(app, "use-schedule-cosine").click().run()
    assert app.session_state["schedule"] == "cosine"
    assert widget(open_at(lab, "mixing.cutmix"), "use-mixing-cutmix").disabled is False
    app = lab.go(lab.open(data="two_moons", technique="mixing.cutmix"), "reference")
    assert widget(app, "use-mixing-cutmix").disabled, "points cannot be cut"


@pytest.mark.parametrize("key", ["schedule.cosine", "early_stopping.patience"])
def test_what_needs_no_torch_is_there_at_once(lab, key):
    app = open_at(lab, key)
    assert 'class="tp-knobs tp-numbers"' in text_of(app)
    assert not lab.store.inspections()
    if key == "schedule.cosine":
        assert "0.00855" in text_of(app).replace("0.008549", "0.00855")
        assert "Computed with Final rate 0.0001." in text_of(app)


def test_what_needs_torch_is_asked_for_and_drawn(lab):
    app = open_at(lab, "normalization.batch")
    assert "The trainer is not running" in text_of(app)
    (job,) = lab.store.inspections()
    assert job.question == question_of(find("normalization", "batch"))
    finish(lab)
    text = text_of(app.run())
    for value in ("−1.342", "−0.4472", "0.4472", "1.342"):
        assert value in text
    assert len(lab.store.inspections()) == 1
    assert "−1.342" in text_of(open_at(lab, "normalization.batch")), "and kept for the next visitor"
    assert len(lab.store.inspections()) == 1


def test_every_kind_of_example_is_drawn(lab):
    app = open_at(lab)
    for family in (name for name, maker in makers().items() if maker.torch):
        name = "digits" if family == "data" else next(iter(families()[family].techniques))
        app.query_params["technique"] = f"{family}.{name}"
        app.run()
        while lab.store.inspections("queued"):
            finish(lab)
        text = text_of(app.run())
        assert 'class="tp-waiting"' not in text, family
        assert 'class="tp-knobs tp-numbers"' in text or "data:image/png" in text, family


def test_an_example_that_fails_says_so_and_can_be_tried_again(lab):
    app = open_at(lab, "optimizer.adam")
    (job,) = lab.store.inspections()
    lab.store.finish_inspection(job.id, error="This took *too* long.")
    app = app.run()
    assert messages(app, "problem") == ["This took *too* long."]
    assert len(lab.store.inspections()) == 1, "not asked again by itself"
    app = widget(app, "example-again").click().run()
    assert [job.status for job in lab.store.inspections()] == ["queued"]
    assert 'class="tp-waiting"' in text_of(app)


@pytest.mark.parametrize(
    ("key", "words"),
    [("synonym_replacement.replace", "nltk.downloader"), ("back_translation.paraphrase", "hf download"),
     ("data.mnist", "once it has been downloaded")],
)  # fmt: skip
def test_what_must_be_installed_first_is_said(lab, key, words):
    app = open_at(lab, key)
    assert words in app.info[0].value
    assert not lab.store.inspections()
