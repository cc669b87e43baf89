"""The Runs page, with no run, a few, and five hundred."""

import json

import numpy as np
import pytest
from page_testing import VISITOR, text_of, widget

from pages.widgets.history import differences_by_run
from pages.widgets.run_table import matching
from pages.widgets.text import escape_html, escape_markdown, shorten
from trainer.config import RunConfig
from trainer.lifecycle.requests import Request, RequestKind
from trainer.store import COMMAND_LINE, Batch, StoreError
from trainer.store.knob_changes import record_applied


def make_runs(store, count):
    ids = []
    for number in range(count):
        config = RunConfig.from_flat({"dropout.rate": (number % 10) / 20, "seed": number // 10})
        ids.append(store.create_run(config, VISITOR, name=f"run number {number}" if number % 3 else ""))
        store.request(ids[-1], "stop", by=VISITOR)
    return ids


def open_runs(lab, **query):
    app = lab.go(lab.open(), "runs")
    for key, value in query.items():
        app.query_params[key] = str(value)
    return app.run()


def test_no_runs_is_a_page_of_its_own(lab):
    app = open_runs(lab)
    assert not app.exception
    assert "No runs yet" in text_of(app)
    assert not app.dataframe


@pytest.mark.parametrize("count", [1, 500])
def test_all_runs_are_listed(lab, count):
    make_runs(lab.store, count)
    app = open_runs(lab)
    assert not app.exception
    assert len(app.dataframe[0].value) == count


def test_a_name_cannot_turn_the_words_after_it():
    for escape in (escape_html, escape_markdown, shorten):
        assert escape("\u202egnp exe\u2066 שלום") == "gnp exe שלום"


def test_filter(lab):
    make_runs(lab.store, 12)
    app = open_runs(lab)
    widget(app, "runs-filter").set_value("number 7").run()
    assert list(app.dataframe[0].value["Name"]) == ["run number 7"]
    widget(app, "runs-filter").set_value("dropout rate 0.45").run()
    assert list(app.dataframe[0].value["Differs"]) == ["Dropout rate 0.45"]
    widget(app, "runs-filter").set_value("no such thing").run()
    assert "No run matches" in text_of(app)


def test_filter_reads_notes_too(lab):
    (run,) = make_runs(lab.store, 1)
    lab.store.set_notes(run, "Überraschend gut", by=VISITOR)
    runs = lab.runs()
    assert matching(runs, differences_by_run(runs), "überraschend") == runs


def test_tests_of_the_lr_finder_are_listed_only_when_asked_for(lab):
    (run,) = make_runs(lab.store, 1)
    probe = lab.store.create_run(RunConfig.from_flat({"schedule": "range_test"}), VISITOR)
    lab.store.request(probe, "stop", by=VISITOR)
    app = open_runs(lab)
    assert list(app.dataframe[0].value["Run"]) == [run]
    widget(app, "runs-probes").set_value(True).run()
    assert list(app.dataframe[0].value["Run"]) == [probe]
    lab.store.delete(run, by=VISITOR)
    widget(app, "runs-probes").set_value(False).run()
    assert "tests of the LR finder" in text_of(app)


def test_rename_notes_archive(lab):
    first, second = make_runs(lab.store, 2)
    app = open_runs(lab, run=first)
    widget(app, f"name-{first}").set_value("  **mine** <b> ").run()
    widget(app, f"notes-{first}").set_value("expected more").run()
    run = lab.store.run(first)
    assert (run.name, run.notes) == ("**mine** <b>", "expected more")
    assert "<b> </strong>" not in text_of(app)
    assert "**mine** &lt;b&gt;" in text_of(app)
    widget(app, f"archive-{first}").click().run()
    assert lab.store.run(first).archived
    assert list(app.dataframe[0].value["Run"]) == [second]
    widget(app, "runs-archived").set_value(True).run()
    assert list(app.dataframe[0].value["Run"]) == [first]
    app.query_params["run"] = str(first)
    app.run()
    widget(app, f"archive-{first}").click().run()
    assert not lab.store.run(first).archived


@pytest.mark.parametrize("what", ["name", "notes", "archive"])
def test_a_run_that_another_tab_deleted_is_said_to_be_gone(lab, what):
    (run,) = make_runs(lab.store, 1)
    app = open_runs(lab, run=run)
    lab.store.delete(run, by=VISITOR)
    control = widget(app, f"{what}-{run}")
    (control.click() if what == "archive" else control.set_value("late")).run()
    assert not app.exception
    assert [toast.value for toast in app.toast] == [f"There is no run {run}\\."]


def test_delete_asks_first(lab, tmp_path):
    (run,) = make_runs(lab.store, 1)
    folder = tmp_path / "runs" / str(run)
    folder.mkdir(parents=True)
    (folder / "checkpoint.pt").write_bytes(b"x")
    app = open_runs(lab, run=run)
    widget(app, f"delete-{run}").click().run()
    assert lab.store.run(run)
    widget(app, "confirm-delete").click().run()
    assert not app.exception
    with pytest.raises(StoreError):
        lab.store.run(run)
    assert not folder.exists()
    assert "No runs yet" in text_of(app)


def test_a_training_run_cannot_be_deleted(lab):
    run = lab.store.create_run(RunConfig(), VISITOR)
    lab.store.claim(run)
    app = open_runs(lab, run=run)
    widget(app, f"delete-{run}").click().run()
    assert widget(app, "confirm-delete").disabled


def test_show_on_chart(lab):
    ids = make_runs(lab.store, 8)
    app = open_runs(lab, run=ids[0])
    widget(app, f"show-{ids[0]}").click().run()
    lab.go(app, "")
    assert ids[0] in app.session_state["chart-selection"]


@pytest.mark.parametrize("asked", ["999", "x", "-1", "1; DROP TABLE runs"])
def test_a_link_to_a_run_that_is_not_there(lab, asked):
    make_runs(lab.store, 2)
    app = open_runs(lab, run=asked)
    assert not app.exception
    assert len(app.dataframe[0].value) == 2


def test_a_link_to_somebody_elses_run_shows_nothing(lab):
    other = lab.store.create_run(RunConfig(), "somebody else", name="private")
    make_runs(lab.store, 1)
    assert "private" not in text_of(open_runs(lab, run=other))


def test_runs_of_the_command_line_are_there_for_everybody(lab):
    for owner, name in (
        (COMMAND_LINE, "from a terminal"),
        ("somebody else", "not for me"),
        (VISITOR, "mine"),
    ):
        lab.store.create_run(RunConfig(), owner, name=name)
    assert set(open_runs(lab).dataframe[0].value["Name"]) == {"from a terminal", "mine"}


def test_a_run_of_the_command_line_is_read_only_here(lab):
    run = lab.store.create_run(RunConfig(), COMMAND_LINE, name="from a terminal")
    app = open_runs(lab, run=run)
    assert "only the command line can change it" in text_of(app)
    for key in ("name", "notes", "archive", "delete"):
        assert widget(app, f"{key}-{run}").disabled, key
    for key in ("load", "show"):
        assert not widget(app, f"{key}-{run}").disabled, key
    before = lab.store.run(run)
    for key, act in (("archive", lambda one: one.click()), ("name", lambda one: one.set_value("mine"))):
        control = widget(app, f"{key}-{run}")
        control.proto.disabled = False  # a forged message does not ask the browser
        assert not act(control).run().exception
    assert lab.store.run(run) == before


def test_the_card_of_a_run_of_the_command_line_offers_no_request(lab):
    mine, theirs = (lab.store.create_run(RunConfig(), owner) for owner in (VISITOR, COMMAND_LINE))
    app = lab.open()
    options = {run: widget_options(app, f"menu-{run}") for run in (mine, theirs)}
    assert {"Pause", "Stop"} <= set(options[mine])
    assert not {"Pause", "Stop"} & set(options[theirs])
    assert text_of(app).count("only the command line can change it") == 1


def widget_options(app, key):
    """What a menu button offers."""
    (menu,) = (one.proto for one in app.get("menu_button") if one.proto.id.endswith(key))
    return list(menu.options)


# -- several runs ------------------------------------------------------------------------------------------


def open_several(lab, ids):
    return lab.go(lab.open(run=",".join(map(str, ids))), "runs")


def test_a_link_to_several_runs_shows_what_differs(lab):
    ids = make_runs(lab.store, 3)
    app = open_several(lab, ids)
    assert not app.exception
    assert widget(app, "runs-several").value
    side_by_side = app.dataframe[1].value
    assert list(side_by_side["Dropout rate"]) == [0.1, 0.05, 0.0]
    assert "Seed" not in side_by_side
    app = widget(app, "chosen-show").click().run()
    assert set(app.session_state["chart-selection"]) == set(ids)


def test_several_are_archived_and_deleted_at_once_and_others_stay(lab):
    ids = make_runs(lab.store, 4)
    foreign = lab.store.create_run(RunConfig(), COMMAND_LINE, name="foreign")
    app = open_several(lab, [*ids[:2], foreign])
    assert "1 of them were started by others" in text_of(app)
    widget(app, "chosen-archive").click().run()
    assert [run.id for run in lab.store.runs(VISITOR, archived=True)] == ids[1::-1]
    app = open_several(lab, ids[2:])
    app = widget(app, "chosen-delete").click().run()
    app = widget(app, "confirm-delete-chosen").click().run()
    assert not app.exception
    assert [run.id for run in lab.store.runs(VISITOR, archived=None)] == ids[1::-1]
    assert lab.store.run(foreign).name == "foreign"


def test_a_run_that_trains_is_kept_when_several_are_deleted(lab):
    ids = make_runs(lab.store, 2)
    training = lab.store.create_run(RunConfig(), VISITOR, status="running")
    app = widget(open_several(lab, [*ids, training]), "chosen-delete").click().run()
    assert "1 are training and are kept" in " ".join(one.value for one in app.warning)
    widget(app, "confirm-delete-chosen").click().run()
    assert [run.id for run in lab.store.runs(VISITOR)] == [training]


def test_knobs_of_another_version_are_left_out(lab):
    ids = make_runs(lab.store, 2)
    strange = lab.store.create_run({"warp": 9}, VISITOR)
    app = open_several(lab, [*ids, strange])
    assert not app.exception
    assert "1 of them have knobs of another version" in text_of(app)
    assert len(app.dataframe[1].value) == 2


def measured(lab, losses, **knobs):
    """A stopped run with these validation losses, epoch by epoch."""
    config = RunConfig.from_flat({key.replace("__", "."): value for key, value in knobs.items()})
    run = lab.store.create_run(config, VISITOR, status="running")
    rows = np.array([[step, loss] for step, loss in enumerate(losses, start=1)], dtype=float)
    lab.store.record(run, 1, [Batch("epoch", ("step", "val_loss"), rows)])
    lab.store.finish(run, 1, "stopped")
    return run


def curves_of(app):
    """The chart's lines by name, where they have one, and what is said under it."""
    (chart,) = (one.proto for one in app.get("plotly_chart") if one.proto.id.endswith("chosen-curves"))
    return [trace for trace in json.loads(chart.spec)["data"] if trace.get("name")]


def test_the_curves_of_several_runs_lie_over_each_other_and_fold_into_groups(lab):
    ids = [
        measured(lab, [1.0, 0.5], dropout__rate=0.1),
        measured(lab, [2.0, 1.5], dropout__rate=0.1, seed=1),
        measured(lab, [3.0, 2.5, 2.0], learning_rate=0.1, dropout__rate=0.1),
        measured(lab, [4.0]),
        measured(lab, [9.0], data="two_moons"),
        lab.store.create_run(RunConfig(), VISITOR),
    ]
    app = open_several(lab, ids)
    assert [trace["name"] for trace in curves_of(app)] == ["Run 4", "Run 3", "Run 2", "Run 1"]
    assert "1 on other data is left out. 1 has no epoch yet." in text_of(app)
    app = widget(app, "runs-group").set_value("learning_rate").run()
    assert not app.exception
    assert [trace["name"] for trace in curves_of(app)] == ["0.001 (3 runs)", "0.1 (1 run)"]
    assert "Runs of one group also differ in: Dropout rate." in text_of(app)
    app = widget(app, "runs-group").set_value("dropout.rate").run()
    assert [trace["name"] for trace in curves_of(app)] == ["0 (1 run)", "0.1 (3 runs)"]
    assert "also differ in: Learning rate." in text_of(app)


def test_a_link_opens_the_list_as_it_was(lab):
    ids = make_runs(lab.store, 3)
    view = {"runs-filter": "rate", "runs-several": "true", "runs-group": "Dropout rate"}
    app = lab.go(lab.open(run=",".join(map(str, ids)), **view), "runs")
    assert widget(app, "runs-filter").value == "rate"
    assert widget(app, "runs-group").value == "dropout.rate"
    assert len(app.dataframe[0].value) == 2
    assert not any("knob" in one.value for one in app.warning)


def test_a_table_of_knobs_says_which_runs_changed_theirs(lab):
    ids = make_runs(lab.store, 1)
    run = lab.store.create_run(RunConfig(), VISITOR, status="running")
    lab.store.change_knobs(run, {"learning_rate": 0.5}, by=VISITOR)
    with lab.store.writing() as connection:
        record_applied(connection, run, [Request(RequestKind.CHANGE, {"number": 1, "step": 3})])
    assert "1 changed knobs while training" in text_of(open_several(lab, [*ids, run]))


# -- tags and bookmarks ------------------------------------------------------------------------------------


def tags_of(app, key):
    return next(one for one in app.multiselect if one.key and one.key.startswith(key))


def test_tags_are_set_on_one_run_and_on_several_and_found(lab):
    first, second = make_runs(lab.store, 2)
    app = open_runs(lab, run=first)
    assert "Tags" not in app.dataframe[0].value
    app = tags_of(app, f"tags-{first}").set_value(["for the talk", "<b>"]).run()
    assert not app.exception
    assert lab.store.run(first).tags == ["for the talk", "<b>"]
    shown = app.dataframe[0].value["Tags"]
    assert (shown[0], list(shown[1])) == (None, ["for the talk", "<b>"])
    app = widget(app, "runs-filter").set_value("talk").run()
    assert list(app.dataframe[0].value["Run"]) == [first]
    app = open_several(lab, [first, second])
    app = tags_of(app, "chosen-tags").set_value(["both"]).run()
    assert lab.store.run(first).tags == ["for the talk", "<b>", "both"]
    assert lab.store.run(second).tags == ["both"]
    app = tags_of(app, "chosen-tags").set_value([]).run()
    assert (lab.store.run(first).tags, lab.store.run(second).tags) == (["for the talk", "<b>"], [])
    app = tags_of(app, "chosen-tags").set_value(["x" * 41]).run()
    assert "41 characters" in app.toast[0].value
    assert lab.store.run(second).tags == []


def test_a_bookmark_brings_back_what_the_page_showed(lab):
    ids = make_runs(lab.store, 3)
    app = open_several(lab, ids)
    widget(app, "runs-group").set_value("dropout.rate")
    app = widget(app, "runs-filter").set_value("rate").run()
    widget(app, "bookmark-name").set_value("*rates*")
    app = next(one for one in app.button if one.label == "Add bookmark").click().run()
    assert list(lab.store.bookmarks(VISITOR)) == ["*rates*"]
    app = open_runs(lab)
    assert len(app.dataframe) == 1
    app = widget(app, "bookmark-0").click().run()
    assert not app.exception
    assert widget(app, "runs-filter").value == "rate"
    assert widget(app, "runs-several").value
    assert widget(app, "runs-group").value == "dropout.rate"
    assert "3 runs side by side" in text_of(app)
    assert "1 of the selected runs is not listed now" in text_of(app)
    app = widget(app, "bookmark-delete-0").click().run()
    assert lab.store.bookmarks(VISITOR) == {}
    assert not app.exception
