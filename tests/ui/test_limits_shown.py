"""Limits as people see and set them: what is used, why nothing more fits, and who may change it."""

from __future__ import annotations

import pytest
from page_testing import VISITOR, messages, text_of, widget

from trainer.config import RunConfig
from trainer.lifecycle.states import SearchState
from trainer.settings import MEGABYTE
from trainer.spaces import Role, SpaceKind
from trainer.spaces.limits import RULES


@pytest.fixture
def project(lab):
    """A project of the visitor's, with another member and a live run of theirs in it."""
    space = lab.store.create_space(SpaceKind.PROJECT, "Deliveries", by=VISITOR, name="Ann")
    lab.store.join(lab.store.invite(space, Role.OWNER, by=VISITOR), "Bob", by="bob")
    lab.store.within(space).create_run(RunConfig(), "bob")
    return space


def in_project(lab, space, page=""):
    return lab.go(lab.open(space=space), page)


def test_everybody_sees_what_is_used(lab, project):
    lab.store.within(project).add_upload("bob", "d" * 64, "x.csv", "table", 3 * MEGABYTE)
    lab.store.create_run(RunConfig(), VISITOR)
    text = text_of(in_project(lab, project, "spaces"))
    private, shared = text.index("Yours alone"), text.index("Deliveries</h2>")
    assert "1 of 100" in text[private:shared]
    assert "Everybody" not in text[private:shared]
    row = '<th scope="row">{}</th><td>{}</td><td>{}</td>'
    assert row.format("Live runs", "0 of 100", "1 of 500") in text[shared:]
    assert row.format("Disk space", "0 B of 10 GB", "3 MB of 50 GB") in text[shared:]
    assert "train for 7 days" in text[shared:]


def test_an_owner_sets_a_limit_and_takes_it_back(lab, project):
    app = in_project(lab, project, "spaces")
    app.session_state[f"limits-{project}"] = True
    app.run()
    field = widget(app, f"limit-live_runs-{project}")
    assert (field.value, field.placeholder, field.min, field.max) == (None, "500", 1, 1_000)
    field.set_value(7).run()
    assert not app.exception
    assert lab.store.spaces(None)[0].limits == {"live_runs": 7}
    assert "1 of 7" in text_of(app)
    widget(app, f"limit-live_runs-{project}").set_value(None).run()
    assert lab.store.spaces(None)[0].limits == {}
    assert "shares an address" in text_of(app)


def test_who_is_no_owner_reads_the_limits(lab, project):
    lab.store.set_role(project, VISITOR, Role.EDITOR, by="bob")
    app = in_project(lab, project, "spaces")
    app.session_state[f"limits-{project}"] = True
    app.run()
    assert all(widget(app, f"limit-{one.name}-{project}").disabled for one in RULES)


def test_a_limit_that_the_installation_has_lowered_since_is_shown_as_it_holds(lab, project, monkeypatch):
    from pages.server.store import store

    lab.store.set_limits(project, {"live_runs_each": 90}, by=VISITOR)
    monkeypatch.setenv("TRAINSCOPE_MAX_LIVE_RUNS_PER_VISITOR", "20")
    store.cache_clear()
    app = in_project(lab, project, "spaces")
    app.session_state[f"limits-{project}"] = True
    app.run()
    assert not app.exception
    assert widget(app, f"limit-live_runs_each-{project}").value == 20


def test_it_is_said_before_start_and_by_start_why_nothing_more_fits(lab, project):
    app = in_project(lab, project)
    assert messages(app, "warning") == []
    assert "Used here" not in text_of(app)
    lab.store.set_limits(project, {"live_runs": 2}, by="bob")
    app.run()
    assert "Used here: 1 of 2 live runs (the space&#x27;s)" in text_of(app)
    lab.store.set_limits(project, {"live_runs": 1}, by="bob")
    app.run()
    (sentence,) = messages(app, "warning")
    assert sentence.startswith(
        "1 run of this space is queued or in training, and the space may have 1 at a time."
    )
    widget(app, "start").click().run()
    assert not app.exception
    assert "the space may have 1 at a time" in app.toast[0].value
    assert len(lab.store.runs(project)) == 1


def test_it_is_said_before_start_that_a_run_takes_too_many_steps(lab, project):
    lab.store.set_limits(project, {"run_steps": 10}, by="bob")
    (sentence,) = messages(in_project(lab, project), "warning")
    assert "steps, and a run may take 10 here. Train fewer epochs" in sentence


def test_it_is_said_before_a_comparison_that_it_does_not_fit_whole(lab, project):
    lab.store.set_limits(project, {"live_runs_each": 3}, by="bob")
    app = in_project(lab, project, "experiments")
    fits = [one.partition("so ")[2].partition(" more")[0] for one in messages(app, "warning")]
    assert fits == ["32", "12", "32", "40", "12", "72"], "under each that is ready-made"
    widget(app, "start-batch_norm").click().run()
    assert "so 12 more do not fit" in app.toast[0].value
    assert lab.store.comparisons([project]) == []


def test_it_is_said_before_an_upload_that_there_is_no_space_left(lab, project):
    lab.store.set_limits(project, {"megabytes": 1}, by="bob")
    lab.store.within(project).add_upload("bob", "d" * 64, "x.csv", "table", MEGABYTE)
    (sentence,) = messages(in_project(lab, project, "data"), "warning")[:1]
    assert "The runs and files of this space take 1 MB" in sentence
    assert "the space may keep 1 MB. Delete what is no longer needed" in sentence


def test_a_search_that_waits_for_room_says_so(lab, project):
    from trainer.comparison.search.analysis import start_search
    from trainer.comparison.search.design import make_search
    from trainer.comparison.search.space import parse_space

    base = RunConfig()
    design = make_search(base=base, space=parse_space(["learning_rate=1e-4..1e-1 log"], base), trials=3)
    search = start_search(lab.store.within(project), design, VISITOR)
    assert lab.store.comparison(search).search is SearchState.RUNNING
    lab.store.set_limits(project, {"live_runs": 1}, by="bob")
    app = lab.go(lab.open(space=project, comparison=str(search)), "experiments")
    assert not app.exception
    assert "The next trial waits. 1 run of this space is queued" in text_of(app)
