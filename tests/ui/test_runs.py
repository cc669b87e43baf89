"""The Runs page, with no run, a few, and five hundred."""

import pytest
from page_testing import VISITOR, text_of, widget

from pages.widgets.history import differences_by_run
from pages.widgets.run_table import matching
from pages.widgets.text import escape_html, escape_markdown, shorten
from trainer.config import RunConfig
from trainer.store import COMMAND_LINE, StoreError


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
