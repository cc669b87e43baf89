"""The Train page: starting, steering and comparing runs, with the store that the real page uses."""

import contextlib
import itertools
import re
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from page_testing import VISITOR, messages, text_of, widget
from sqlalchemy.exc import OperationalError

from pages import train
from pages.widgets import launch
from trainer.config import RunConfig
from trainer.engine.datasplit import steps_per_epoch
from trainer.metrics.registry import columns
from trainer.store import Batch, Store

STEP_COLUMNS, EPOCH_COLUMNS = columns("step"), columns("epoch")


def test_the_first_visit_is_ready_to_start(lab):
    app = lab.open()
    assert not app.exception
    assert not widget(app, "start").disabled
    assert widget(app, "pause").disabled
    assert widget(app, "stop").disabled
    assert "Default knobs" in text_of(app)


def test_start_queues_the_configuration_of_the_sidebar(lab):
    app = lab.open(**{"dropout.rate": "0.5", "seed": "3"})
    widget(app, "start").click().run()
    assert not app.exception
    (run,) = lab.runs()
    assert run.status == "queued"
    assert RunConfig.parse(run.config) == RunConfig.from_flat({"dropout.rate": 0.5, "seed": 3})
    assert not widget(app, "stop").disabled
    assert "the trainer is not running yet" in text_of(app)  # there is no supervisor in this test


def test_a_full_disk_is_said_while_a_run_waits_for_it(lab, monkeypatch):
    def usage(free):
        monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))

    usage(3_000_000)
    app = lab.open()
    assert "3 MB is left" not in text_of(app)  # nobody waits for it
    widget(app, "start").click().run()
    assert "3 MB is left" in text_of(app)
    usage(10**12)
    assert "MB is left" not in text_of(app.run())


def test_a_double_click_starts_one_run(lab):
    app = lab.open()
    widget(app, "start").click().run()
    widget(app, "start").click().run()
    assert len(lab.runs()) == 1


def test_a_second_click_while_the_first_still_starts_gets_what_that_starts(monkeypatch):
    """Streamlit runs the callback of the second in another thread, beside that of the first."""
    monkeypatch.setattr(launch, "st", SimpleNamespace(session_state={}))
    second, numbers = [], itertools.count(1)
    beside = threading.Thread(target=lambda: second.append(launch.start_once("a run", lambda: next(numbers))))

    def start() -> int:
        beside.start()
        return next(numbers)

    assert launch.start_once("a run", start) == 1
    beside.join()
    assert second == [1]


class Ended(BaseException):
    """How Streamlit ends a script."""


def test_a_script_that_is_ended_while_it_starts_has_noted_what_it_started(monkeypatch):
    class Ending(dict):
        """A session that ends the script at the next access to it, as Streamlit's does once a click has asked for another."""

        ended = False

        def setdefault(self, *item):
            if self.ended:
                raise Ended
            return super().setdefault(*item)

        __setitem__ = __getitem__ = get = setdefault

    session, numbers = Ending(), itertools.count(1)
    monkeypatch.setattr(launch, "st", SimpleNamespace(session_state=session))

    def start() -> int:
        session.ended = True
        return next(numbers)

    with contextlib.suppress(Ended):
        launch.start_once("a run", start)
    session.ended = False
    assert launch.start_once("a run", start) == 1


def test_what_failed_to_start_may_be_tried_at_once(monkeypatch):
    monkeypatch.setattr(launch, "st", SimpleNamespace(session_state={}))
    with pytest.raises(ZeroDivisionError):
        launch.start_once("a run", lambda: 1 / 0)
    assert launch.start_once("a run", lambda: 1) == 1


def test_another_knob_is_another_run_at_once(lab):
    app = lab.open()
    widget(app, "start").click().run()
    widget(app, "dropout.rate").set_value(0.5).run()
    assert "Next run changes" in text_of(app)
    assert "Dropout rate" in text_of(app)
    widget(app, "start").click().run()
    assert len(lab.runs()) == 2


def test_the_same_run_may_be_started_again_later(lab, monkeypatch):
    app = lab.open()
    widget(app, "start").click().run()
    monkeypatch.setattr(launch, "DOUBLE_CLICK", 0)
    assert "would draw the same curve" in text_of(app)
    widget(app, "start").click().run()
    assert len(lab.runs()) == 2


def test_pause_resume_stop_go_through_the_store(lab):
    app = lab.open()
    widget(app, "start").click().run()
    widget(app, "pause").click().run()
    assert lab.runs()[0].status == "paused"
    widget(app, "resume").click().run()
    assert lab.runs()[0].status == "queued"
    widget(app, "stop").click().run()
    assert lab.runs()[0].status == "stopped"
    assert widget(app, "stop").disabled


def test_pause_and_stop_cover_all_of_ones_live_runs_and_nobody_elses(lab):
    theirs = lab.store.create_run(RunConfig(), "somebody else")
    mine = [lab.store.create_run(RunConfig(seed=seed), VISITOR) for seed in range(3)]

    def states():
        return [lab.store.run(run).status for run in mine]

    app = lab.open()
    assert "3 waiting" in text_of(app)
    assert widget(app, "pause").label == "Pause all"
    widget(app, "pause").click().run()
    assert states() == ["paused"] * 3
    assert "3 paused" in text_of(app)
    assert widget(app, "resume").label == "Resume all"
    widget(app, "resume").click().run()
    assert states() == ["queued"] * 3
    widget(app, f"stop-{mine[1]}").click().run()
    assert states() == ["queued", "stopped", "queued"]
    widget(app, "stop").click().run()
    assert states() == ["stopped"] * 3
    assert widget(app, "stop").disabled
    assert widget(app, "stop").label == "Stop"
    assert lab.store.run(theirs).status == "queued"


def test_a_running_run_is_asked_and_says_so(lab):
    app = lab.open()
    widget(app, "start").click().run()
    run = lab.runs()[0]
    lab.store.claim(run.id)
    app.run()
    widget(app, "pause").click().run()
    assert lab.runs()[0].request == "pause"
    assert "Pausing…" in text_of(app)
    widget(app, "stop").click().run()
    assert widget(app, "stop").disabled
    assert widget(app, "pause").disabled


def test_an_error_is_a_sentence_and_the_traceback_a_click_away(lab):
    run = lab.store.create_run(RunConfig(), VISITOR, name="**bold** <script>alert(1)</script>")
    attempt = lab.store.claim(run)
    lab.store.finish(
        run, attempt, "failed", error="The loss is no longer finite at step 7.", traceback="Traceback: boom"
    )
    app = lab.open()
    assert not app.exception
    assert "no longer finite" in messages(app, "problem")[0]
    assert app.code[0].value == "Traceback: boom"
    assert "<script>" not in text_of(app)


def test_results_are_shown_when_finished(lab):
    run = lab.store.create_run(RunConfig(), VISITOR)
    attempt = lab.store.claim(run)
    steps = Batch("step", STEP_COLUMNS, [[0.0] * len(STEP_COLUMNS)])
    epochs = Batch("epoch", EPOCH_COLUMNS, [[0.0] * len(EPOCH_COLUMNS)])
    lab.store.record(run, attempt, [steps, epochs], notices=["The weights of epoch 4 are restored."])
    results = {
        "best": {"epoch": 4, "val_loss": 0.25, "val_metric": 0.915},
        "validation": {"loss": 0.25, "metric": 0.915},
        "test": {"loss": 0.3, "metric": 0.9},
        "stopped_by": "early_stopping",
        "restored_best": True,
        "seconds": 75,
    }
    lab.store.finish(run, attempt, "finished", results=results)
    app = lab.open()
    assert facts_of(app) == {
        "Validation accuracy · best epoch 4": "91.5%",
        "Test accuracy · best epoch 4": "90.0%",
        "Validation loss · best epoch 4": "0.25",
        "Ended by": "Early stopping, best weights restored",
    }
    assert "1 min 15 s" in text_of(app)
    assert "epoch 4 are" in text_of(app)


def test_each_figure_says_which_weights_it_belongs_to(lab):
    """Validation at the best epoch and test of the final weights are not about the same network."""
    run = lab.store.create_run(RunConfig(), VISITOR)
    results = {
        "best": {"epoch": 12, "val_loss": 0.18, "val_metric": 0.959},
        "validation": {"loss": 0.21, "metric": 0.948},
        "test": {"loss": 0.3, "metric": 0.941},
        "restored_best": False,
    }
    lab.store.finish(run, lab.store.claim(run), "finished", results=results)
    expected = {
        "Validation accuracy · final weights": "94.8%",
        "Test accuracy · final weights": "94.1%",
        "Validation loss · best epoch 12": "0.18",
        "Validation accuracy · best epoch 12": "95.9%",
    }
    app = lab.open()
    assert facts_of(app) == expected
    lab.go(app, "runs")
    app.query_params["run"] = str(run)
    assert facts_of(app.run()) == expected


def facts_of(app) -> dict[str, str]:
    """The names and values of the run's figures, in their order."""
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text_of(app)))


def test_a_pinned_baseline_is_what_the_others_are_named_against(lab):
    base = RunConfig.from_flat({"schedule": "one_cycle", "learning_rate": 0.01})
    first = lab.store.create_run(base, VISITOR)
    second = lab.store.create_run(base.changed({"dropout.rate": 0.5}), VISITOR)
    app = lab.open()
    assert chips_of(app, second) == ["Dropout rate 0.5", "One cycle", "Learning rate 0.01"]
    assert "differs from the defaults" in text_of(app)
    app.menu_button(key=f"menu-{first}").click("Pin as baseline").run()
    assert chips_of(app, second) == ["Dropout rate 0.5"]
    assert chips_of(app, first) == []
    assert "differs from the baseline" in text_of(app)
    lab.go(app, "runs")
    assert dict(zip(app.dataframe[0].value["Run"], app.dataframe[0].value["Differs"], strict=True)) == {
        first: "Baseline",
        second: "Dropout rate 0.5",
    }
    lab.go(app, "")
    app.menu_button(key=f"menu-{first}").click("Unpin as baseline").run()
    assert chips_of(app, first) == ["One cycle", "Learning rate 0.01"]


def chips_of(app, run) -> list[str]:
    """What a run's card says of it."""
    (card,) = (html.proto.body for html in app.get("html") if f">Run {run}</strong>" in html.proto.body)
    return re.findall(r'<li class="tp-chip"[^>]*>(.*?)</li>', card)


def test_runs_can_be_hidden_recolored_and_removed(lab):
    app = lab.open()
    widget(app, "start").click().run()
    run = lab.runs()[0].id
    menu = f"menu-{run}"

    def place():
        return app.session_state["chart-selection"][run]

    app.menu_button(key=menu).click("Hide").run()
    assert not place().visible
    before = place().color
    app.menu_button(key=menu).click("Next color").run()
    assert place().color != before
    app.menu_button(key=menu).click("Remove from chart").run()
    assert run not in app.session_state["chart-selection"]
    assert len(lab.runs()) == 1


def test_each_run_can_be_paused_not_only_the_newest(lab):
    older = lab.store.create_run(RunConfig(), VISITOR)
    newest = lab.store.create_run(RunConfig(), VISITOR)
    lab.open().menu_button(key=f"menu-{older}").click("Pause").run()
    assert [lab.store.run(run).status for run in (older, newest)] == ["paused", "queued"]


def test_other_peoples_runs_are_not_shown(lab):
    lab.store.create_run(RunConfig(), "somebody else", name="private")
    app = lab.open()
    assert "private" not in text_of(app)
    assert widget(app, "stop").disabled


def test_a_run_from_another_version_is_listed(lab):
    lab.store.create_run({"seed": 0, "knob_of_the_past": 1}, VISITOR, name="old one")
    app = lab.open()
    assert not app.exception
    widget(app, "start").click().run()
    assert not app.exception


def test_another_data_set_hides_runs_that_cannot_be_compared(lab):
    app = lab.open()
    widget(app, "start").click().run()
    widget(app, "data").select("two_moons").run()
    widget(app, "start").click().run()
    newest, first = lab.runs()
    assert not app.session_state["chart-selection"][first.id].visible
    assert app.session_state["chart-selection"][newest.id].visible


def test_start_minds_no_run_that_another_tab_deleted(lab):
    run = lab.store.create_run({}, VISITOR)
    lab.store.request(run, "stop", by=VISITOR)
    app = lab.open()
    lab.store.delete(run, by=VISITOR)
    widget(app, "start").click().run()
    assert not app.exception
    assert [run.status for run in lab.runs()] == ["queued"]


def test_a_click_that_the_database_refuses_is_said_kindly(lab, monkeypatch):
    app = lab.open()

    def full(self, *_, **__):
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr(Store, "create_run", full)
    widget(app, "start").click().run()
    assert not app.exception
    assert "was not done" in app.toast[0].value


def test_missing_data_offers_a_download_and_disables_start(lab):
    app = lab.open(data="mnist")
    assert not app.exception
    assert widget(app, "start").disabled
    assert "12 MB" in widget(app, "download-start").label
    widget(app, "download-start").click().run()
    job = lab.store.download_of("mnist")
    assert job.status == "queued"
    lab.store.start_download(job.id)
    lab.store.progress_download(job.id, 6_000_000, 12_000_000)
    app.run()
    assert not app.exception
    lab.store.finish_download(job.id, "mnist could not be downloaded: no route to host.")
    app.run()
    assert "no route to host" in messages(app, "problem")[0]
    assert widget(app, "download-start").label.startswith("Try again")


def test_an_unreachable_database_is_said_kindly(lab, monkeypatch):
    app = lab.open()

    def refuse(*_args, **_kwargs):
        raise OperationalError("SELECT", {}, Exception("database is locked"))

    monkeypatch.setattr("trainer.store.Store.runs", refuse)
    app.run()
    assert not app.exception
    assert "cannot be reached" in messages(app, "problem")[0]
    monkeypatch.undo()


def test_a_removed_database_is_said_with_its_remedy(lab):
    app = lab.open()
    path = Path(lab.store.engine.url.database)
    path.rename(path.with_suffix(".aside"))
    app.run()
    assert not app.exception
    assert "was removed or replaced" in messages(app, "problem")[0]
    path.with_suffix(".aside").rename(path)
    app.run()
    assert not messages(app, "problem")


def test_a_plan_that_depends_on_validation_says_so(lab):
    assert "reacts to the validation loss" in text_of(lab.open(schedule="plateau"))
    assert "reacts to the validation loss" not in text_of(lab.open(schedule="cosine"))


@pytest.mark.parametrize("schedule", ["constant", "cosine", "plateau", "one_cycle"])
def test_the_planned_rate_goes_to_the_chart(lab, monkeypatch, schedule):
    drawn = []
    monkeypatch.setattr(train, "live_panel", lambda *_, planned, **__: drawn.append(planned))
    lab.open(schedule=schedule)
    (plan,) = drawn
    assert len(plan["steps"]) == len(plan["lr"]) <= 400
    assert plan["steps"][0] == 0
    assert plan["steps_per_epoch"] == steps_per_epoch(RunConfig())


@pytest.mark.parametrize("family", ["synonym_replacement", "back_translation"])
def test_what_an_augmentation_needs_is_said_before_a_run_exists(lab, family):
    app = lab.open(
        data="reviews", model="gru", **{family: "replace" if "synonym" in family else "paraphrase"}
    )
    assert not app.exception
    (notice,) = app.info
    assert "```bash" in notice.value
    assert ("nltk.downloader" if "synonym" in family else "hf download") in notice.value
    assert widget(app, "start").disabled
    assert not lab.runs()
    app = widget(app, "data").set_value("two_moons").run()
    assert "needs texts" in text_of(app)
