"""Changing the knobs of a run under way, on its card and in its details."""

import pytest
from page_testing import VISITOR, Lab, has, text_of, widget

from trainer.config import RunConfig
from trainer.lifecycle.requests import Request
from trainer.store import COMMAND_LINE


def opened(lab, run_id, **query):
    """The Train page with the controls of a run unfolded."""
    app = lab.open(run=str(run_id), **query)
    app.session_state[f"change-{run_id}"] = True
    return app.run()


@pytest.fixture
def training(lab):
    run_id = lab.store.create_run(RunConfig(), VISITOR)
    attempt = lab.store.claim(run_id)
    return run_id, attempt


def apply_change(lab, run_id, attempt, step):
    request = lab.store.record(run_id, attempt)
    lab.store.record(run_id, attempt, handled=[Request(request.kind, {**request.payload, "step": step})])


def test_a_change_is_requested_and_then_told_with_its_step(lab, training):
    run_id, attempt = training
    app = opened(lab, run_id)
    assert not app.exception
    assert widget(app, f"apply-{run_id}").disabled
    widget(app, f"change-{run_id}-0--learning_rate").set_value(0.01).run()
    assert not widget(app, f"apply-{run_id}").disabled
    widget(app, f"apply-{run_id}").click().run()
    assert not app.exception
    (change,) = lab.store.knob_changes(run_id)
    assert change.values == {"learning_rate": 0.01}
    assert "Requested" in text_of(app)
    apply_change(lab, run_id, attempt, 1200)
    app.run()
    assert "Changed at step 1,200" in text_of(app)
    assert "changed while training" in text_of(app)
    assert widget(app, f"change-{run_id}-1--learning_rate").value == 0.01, "controls show what holds now"


def test_the_same_change_from_two_tabs_is_applied_once(lab, training):
    run_id, _ = training
    tabs = [opened(lab, run_id) for _ in range(2)]
    for app in tabs:
        widget(app, f"change-{run_id}-0--learning_rate").set_value(0.01).run()
    for app in tabs:
        widget(app, f"apply-{run_id}").click().run()
        assert not app.exception
    assert len(lab.store.knob_changes(run_id)) == 1
    assert any("has these values already" in toast.value for toast in tabs[1].toast)


def test_another_schedule_comes_with_its_knobs(lab, training):
    run_id, _ = training
    app = opened(lab, run_id)
    widget(app, f"change-{run_id}-0-schedule").select("step").run()
    widget(app, f"change-{run_id}-0-step-schedule.gamma").set_value(0.5).run()
    widget(app, f"apply-{run_id}").click().run()
    (change,) = lab.store.knob_changes(run_id)
    assert change.values == {"schedule": "step", "schedule.size": 30, "schedule.gamma": 0.5}


def test_what_does_not_fit_together_says_so_and_cannot_be_applied(lab, training):
    run_id, _ = training
    app = opened(lab, run_id)
    widget(app, f"change-{run_id}-0-schedule").select("cosine").run()
    widget(app, f"change-{run_id}-0-cosine-schedule.final_lr").set_value(0.5).run()
    assert "above the learning rate" in text_of(app)
    assert widget(app, f"apply-{run_id}").disabled
    assert not app.exception


def test_only_runs_of_ones_own_that_are_under_way_can_change(lab):
    over = lab.store.create_run(RunConfig(), VISITOR)
    lab.store.finish(over, lab.store.claim(over), "finished")
    of_terminal = lab.store.create_run(RunConfig(), COMMAND_LINE)
    queued = lab.store.create_run(RunConfig(), VISITOR)
    for run_id, may in ((over, False), (of_terminal, False), (queued, True)):
        assert has(opened(lab, run_id), f"apply-{run_id}") is may


def test_a_run_that_ended_meanwhile_says_so(lab, training):
    run_id, attempt = training
    app = opened(lab, run_id)
    widget(app, f"change-{run_id}-0--learning_rate").set_value(0.01).run()
    lab.store.finish(run_id, attempt, "finished")
    widget(app, f"apply-{run_id}").click().run()
    assert any("is finished, so its knobs stay" in toast.value.replace("\\", "") for toast in app.toast)


def test_a_change_that_came_too_late_says_so(lab, training):
    run_id, attempt = training
    lab.store.change_knobs(run_id, {"learning_rate": 0.01}, by=VISITOR)
    lab.store.finish(run_id, attempt, "finished")
    assert "Not applied, as the run ended first" in text_of(lab.open(run=str(run_id)))


def test_the_details_of_a_run_tell_its_changes(lab, training):
    run_id, attempt = training
    lab.store.change_knobs(run_id, {"batch_size": 64}, by=VISITOR)
    apply_change(lab, run_id, attempt, 77)
    app = Lab.go(lab.open(run=str(run_id)), "runs")
    assert not app.exception
    assert "Changed at step 77" in text_of(app)
