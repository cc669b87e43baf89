"""The Lessons page: predict, train, see what became of it, try, and answer."""

from __future__ import annotations

import pytest
from comparison_runs import end_run
from page_testing import VISITOR, has, messages, text_of, widget

from trainer.lessons.lesson import STEPS
from trainer.lessons.questions import POINTS
from trainer.lessons.shelf import find_lesson, lessons
from trainer.spaces import Role, SpaceKind
from trainer.store import COMMAND_LINE

LESSON = find_lesson("batch_norm")
DRAWING = [0.5] * POINTS


def step(lab, number, name="batch_norm", **query):
    app = lab.go(lab.open(lesson=name, step=str(number), **query), "lessons")
    assert not app.exception, app.exception
    return app


def kept(lab, name="batch_norm"):
    return lab.store.lesson_progress(VISITOR).get(name, {})


def predict(lab):
    lab.store.save_progress(VISITOR, "batch_norm", "prediction-1", "with batch norm")
    lab.store.save_progress(VISITOR, "batch_norm", "prediction-2", DRAWING)


def train(lab):
    """Predicts, presses the button, and returns the tab and the runs by arm."""
    predict(lab)
    app = widget(step(lab, 3), "lesson-batch_norm-train").click().run()
    assert not app.exception
    return app, {one.arm: one.run for one in lab.store.members(kept(lab)["comparison"])}


def trained(lab):
    _, runs = train(lab)
    for arm, loss in ((0, 0.9), (1, 0.2)):
        end_run(lab.store, runs[arm], loss, epochs=[2.0, 1.0, loss])
    return runs


def radio(app, key):
    return next(one for one in app.radio if one.key == key)


# -- the list ----------------------------------------------------------------------------------------------


def test_the_list_says_what_each_asks_and_how_far_one_is(lab):
    lab.store.save_progress(VISITOR, "dropout", "step", 3)
    lab.store.save_progress("B" * 22, "optimizers", "step", 5)
    app = lab.go(lab.open(), "lessons")
    text = text_of(app)
    for lesson in lessons().values():
        assert lesson.title in text
        assert lesson.question in text
    assert "At step 3 of 7: run" in text
    assert "At step 5" not in text, "that of another person"
    assert [widget(app, f"lesson-open-{name}").label for name in ("dropout", "optimizers")] == [
        "Continue",
        "Begin",
    ]
    app = widget(app, "lesson-open-dropout").click().run()
    assert (app.query_params["lesson"], app.query_params["step"]) == ("dropout", "3")
    app = widget(app, "lesson-back").click().run()
    assert "lesson" not in app.query_params


@pytest.mark.parametrize("name", ["dropouts", "<b>x</b>", "../../etc/passwd", "x" * 5000])
def test_an_unknown_lesson_leads_back_to_the_list(lab, name):
    app = step(lab, 1, name)
    assert "There is no lesson called" in text_of(app)
    assert "<b>x</b>" not in text_of(app)
    app = widget(app, "lesson-back").click().run()
    assert "Optimizers" in text_of(app)


@pytest.mark.parametrize("number", ["0", "-1", "99", "x", "1e3", "٣", "9" * 400])
def test_an_address_with_no_such_step_opens_one_that_there_is(lab, number):
    app = step(lab, number)
    assert f"of {len(STEPS)}" in app.get("button_group")[0].proto.label


@pytest.mark.parametrize("name", lessons())
@pytest.mark.parametrize("number", range(1, len(STEPS) + 1))
def test_every_step_of_every_lesson_opens_before_anything_is_trained(lab, name, number):
    app = step(lab, number, name)
    assert find_lesson(name).title in text_of(app)


# -- predict and train -------------------------------------------------------------------------------------


def test_an_answer_is_kept_at_once_and_shown_again(lab):
    app = step(lab, 2)
    assert "2 of 2 still to predict" in text_of(app)
    radio(app, "lesson-batch_norm-prediction-1").set_value("without").run()
    assert kept(lab)["prediction-1"] == "without"
    app = step(lab, 2)
    assert radio(app, "lesson-batch_norm-prediction-1").value == "without"
    assert "1 of 2 still to predict" in text_of(app)


def test_nothing_trains_before_the_prediction(lab):
    app = step(lab, 3)
    assert messages(app, "information") == [
        "Predict first: what you expect is what makes the result worth looking at."
    ]
    assert not has(app, "lesson-batch_norm-train")
    assert lab.runs() == []


def test_the_runs_start_once_from_however_many_tabs(lab):
    predict(lab)
    tabs = [step(lab, 3), step(lab, 3)]
    for tab in tabs:
        widget(tab, "lesson-batch_norm-train").click().run()
    (comparison,) = lab.store.comparisons([VISITOR])
    assert comparison.title == "Lesson: Batch norm"
    assert kept(lab)["comparison"] == comparison.id
    arms = {one["name"]: one["config"] for one in comparison.design["arms"]}
    assert list(arms) == list(LESSON.configs)
    assert len(lab.runs()) == 2
    app = step(lab, 2)
    assert radio(app, "lesson-batch_norm-prediction-1").disabled, "a prediction is made before"


def test_a_refusal_is_said_and_the_button_stays(lab, monkeypatch):
    predict(lab)
    monkeypatch.setenv("TRAINSCOPE_MAX_LIVE_RUNS_PER_VISITOR", "1")
    from pages.server.store import store

    store.cache_clear()
    app = widget(step(lab, 3), "lesson-batch_norm-train").click().run()
    assert app.toast
    assert lab.runs() == []
    assert "comparison" not in kept(lab)
    assert has(app, "lesson-batch_norm-train")


def test_while_they_wait_the_next_steps_say_so(lab):
    train(lab)
    for number in (4, 6, 7):
        (said,) = messages(step(lab, number), "information")
        assert said.startswith("The runs are still under way.")


def test_stopped_and_deleted_runs_can_be_trained_again(lab):
    train(lab)
    first = kept(lab)["comparison"]
    lab.store.request_all(first, "stop", by=VISITOR)
    app = step(lab, 3)
    (said,) = messages(app, "warning")
    assert said.startswith("Without a result: “without”, “with batch norm”.")
    app = widget(app, "lesson-batch_norm-train").click().run()
    second = kept(lab)["comparison"]
    assert second != first
    lab.store.request_all(second, "stop", by=VISITOR)
    lab.store.delete_comparison(second, by=VISITOR)
    app = step(lab, 3)
    assert "were deleted" in text_of(app)
    assert has(app, "lesson-batch_norm-train")


# -- reveal, why, now you, checkpoint ----------------------------------------------------------------------


def test_the_reveal_stands_beside_the_prediction(lab):
    trained(lab)
    text = text_of(step(lab, 4))
    assert "You said: “with batch norm”" in text
    assert "It was “with batch norm” (without: 0.9, with batch norm: 0.2)." in text
    assert "You drew a validation loss that ends at 0.5" in text
    assert "Your runs show otherwise" not in text


def test_the_reveal_admits_a_seed_that_is_otherwise(lab):
    _, runs = train(lab)
    for arm, loss in ((0, 0.4), (1, 0.6)):
        end_run(lab.store, runs[arm], loss, epochs=[2.0, 1.0, loss])
    text = text_of(step(lab, 4))
    assert "<strong>Not this time.</strong>" in text
    assert "Your runs show otherwise in this" in text


def test_knobs_open_one_at_a_time_and_the_goal_is_checked(lab):
    trained(lab)
    place = "lesson-batch_norm-try-"
    app = step(lab, 6)
    assert has(app, f"{place}normalization")
    assert not has(app, f"{place}-learning_rate")
    assert "Each try opens one more: Learning rate, Batch size, Activation." in text_of(app)
    assert widget(app, "lesson-batch_norm-try").disabled, "nothing has changed"
    app = widget(app, f"{place}normalization").set_value("layer").run()
    app = widget(app, "lesson-batch_norm-try").click().run()
    assert not app.exception
    run = lab.store.run(kept(lab)["try-1"])
    assert run.config["normalization"]["name"] == "layer"
    assert has(app, f"{place}-learning_rate")
    assert widget(app, "lesson-batch_norm-try").disabled, "one at a time"
    assert "Goal reached" not in text_of(app)
    end_run(lab.store, run, 0.3, epochs=[1.0, 0.3])
    assert "Goal reached" not in text_of(step(lab, 6)), "90 % is not 95 %"


def test_a_checkpoint_is_answered_from_ones_own_curves(lab):
    trained(lab)
    app = step(lab, 7)
    widget(app, "lesson-batch_norm-checkpoint-1").set_value(0.88).run()
    assert kept(lab)["checkpoint-1"] == 0.88
    text = text_of(step(lab, 7))
    assert "<strong>Right.</strong> It was 0.9." in text
    assert "Lesson finished" not in text
    app = radio(step(lab, 7), "lesson-batch_norm-checkpoint-2").set_value("without").run()
    assert not app.exception
    assert "Lesson finished" in text_of(step(lab, 7))
    app = lab.go(lab.open(), "lessons")
    assert widget(app, "lesson-open-batch_norm").label == "Look again"


def test_start_over_forgets_answers_and_keeps_runs(lab):
    trained(lab)
    app = widget(step(lab, 4), "lesson-batch_norm-over").click().run()
    assert not app.exception
    assert app.query_params["step"] == "1"
    assert set(kept(lab)) <= {"step"}
    assert len(lab.runs()) == 2


def test_a_viewer_looks_at_a_lesson_and_leaves_no_trace(lab):
    space = lab.store.create_space(SpaceKind.PROJECT, "Class", by="teacher", name="T")
    lab.store.join(lab.store.invite(space, Role.VIEWER, by="teacher"), "V", by=VISITOR)
    app = step(lab, 2, space=space)
    radio(app, "lesson-batch_norm-prediction-1").set_value("without").run()
    assert "viewer in this space" in app.toast[0].value
    assert lab.store.within(space).lesson_progress(VISITOR) == {}
    assert COMMAND_LINE not in lab.store.lesson_progress(VISITOR)
