"""The page of one's own data: what it shows of a file, what it guesses, and what it takes into the sidebar."""

import own_files
import pytest
from page_testing import VISITOR, messages, text_of, widget
from waiting import PATIENCE, until

from pages.server import uploads as uploading
from trainer.config import RunConfig
from trainer.data.uploads import disk_bytes, find_manifest, upload_folder
from trainer.settings import get_settings
from trainer.store import COMMAND_LINE, StoreError
from trainer.store.removal import delete_with_files

HOSTILE = b"id,<img src=x onerror=alert(1)>,**bold**,$x^2$\n" + b"\n".join(
    b"%d,%d,%s,%d" % (n, n * 7 % 50, b"<script>" if n % 2 else b"[a](b)", n % 3) for n in range(60)
)


def forget() -> None:
    """Another test's upload is not this one's."""
    if upload := uploading.pending_upload(VISITOR):
        uploading.dismiss_upload(VISITOR, upload)


@pytest.fixture
def page(lab):
    """A tab on the page, and a way to add a file as a person would."""
    forget()
    app = lab.go(lab.open(), "data")
    assert not app.exception
    yield app
    forget()


def add(app, name, data):
    """Upload a file and wait until it was kept or refused."""
    app.file_uploader[0].upload(name, data, "text/csv")
    app = app.run()
    pending = uploading.pending_upload(VISITOR)
    assert pending is None or pending.ended.wait(PATIENCE)
    app = app.run()
    assert not app.exception
    return app


def config_of(app):
    return RunConfig.from_flat(
        {
            key: app.session_state[key]
            for key in ("data", "data.file", "data.target", "data.task", "data.leave_out")
        }
    )


def choice(app, kind, name):
    return next(item for item in getattr(app, kind) if (item.key or "").startswith(f"data-{name}-"))


def test_before_the_first_file_it_says_what_to_bring(page):
    assert "No files yet" in text_of(page)
    assert "50 MB" in text_of(page)
    assert page.file_uploader[0].allowed_type == [".csv", ".tsv", ".txt", ".zip"]


def test_a_table_is_shown_with_guesses_and_goes_into_the_sidebar(page, lab):
    app = add(page, "people.csv", own_files.csv_bytes())
    (upload,) = lab.store.uploads((VISITOR,))
    assert (upload.name, upload.kind, upload.bytes) == ("people.csv", "table", disk_bytes(upload.digest))
    assert choice(app, "selectbox", "target").value == "member"
    assert choice(app, "multiselect", "out").value == ["id"]
    text = text_of(app)
    for words in (
        "6 (10.0%)",
        "Left out: it looks like an identifier",
        "training median",
        "This is what is predicted",
    ):
        assert words in text
    assert app.dataframe[0].value.columns.tolist() == ["id", "age", "city", "joined", "income", "member"]
    app = widget(app, "data-use").click().run()
    config = config_of(app)
    assert config.data.to_dict() == {
        "name": "csv", "file": upload.digest, "target": "member", "task": "classification", "leave_out": "1",
    }  # fmt: skip
    assert widget(app, "data-use").disabled
    assert any(link.label == "Go to Train" for link in app.get("page_link"))
    app = lab.go(app, "")
    assert not widget(app, "start").disabled
    widget(app, "start").click().run()
    assert RunConfig.parse(lab.runs()[0].config).data == config.data


def test_another_target_is_guessed_again_and_an_impossible_one_is_said(page):
    app = add(page, "people.csv", own_files.csv_bytes())
    app = choice(app, "selectbox", "target").set_value("income").run()
    assert choice(app, "button_group", "task").value in ("regression", ["regression"])
    app = choice(app, "selectbox", "target").set_value("city").run()
    assert choice(app, "button_group", "task").value in ("classification", ["classification"])
    app = choice(app, "button_group", "task").set_value("regression").run()
    assert "holds categories, not numbers" in text_of(app)
    assert widget(app, "data-use").disabled


def test_a_model_that_cannot_read_tables_makes_room(lab):
    forget()
    app = lab.go(lab.open(model="cnn", **{"dropout.rate": "0.3"}), "data")
    app = add(app, "people.csv", own_files.csv_bytes())
    app = widget(app, "data-use").click().run()
    assert app.session_state["model"] == "mlp"
    assert app.session_state["dropout.rate"] == 0.3
    assert config_of(app).data.name == "csv"


def test_images_are_shown_by_class(page, lab):
    app = add(page, "pictures.zip", own_files.zip_bytes(own_files.image_files()))
    text = text_of(app)
    assert text.count("data:image/png;base64") == 2
    assert "8 samples of bright" in text
    app = choice(app, "select_slider", "side").set_value(16).run()
    app = widget(app, "data-use").click().run()
    assert app.session_state["data"] == "image_folder"
    assert app.session_state["data.side"] == 16


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("evil.zip", own_files.zip_bytes({"../../x.png": b"x"}), "leads out of its folder"),
        ("bomb.zip", own_files.zip_bytes({"a/x.png": bytes(9_000_000)}), "times its packed size"),
        ("junk.csv", bytes(range(256)) * 9, "null bytes"),
        ("<b>x.csv", b"one column\n" * 30, "single column"),
    ],
)
def test_a_hostile_file_is_refused_until_dismissed(page, lab, name, data, words):
    app = add(page, name, data)
    (problem,) = messages(app, "problem")
    assert words in problem
    assert problem.startswith(name)
    assert "<b>x" not in text_of(app)
    assert lab.store.uploads((VISITOR,)) == []
    app = widget(app, "data-dismiss").click().run()
    assert not messages(app, "problem")
    assert "No files yet" in text_of(app)


def test_hostile_names_are_text(page):
    app = add(page, "hostile.csv", HOSTILE)
    html = "\n".join(item.proto.body for item in app.get("html"))
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "<img src=x" not in html
    assert "**bold**" in choice(app, "selectbox", "target").options


def test_a_file_is_deleted_but_not_under_its_runs(page, lab):
    app = add(page, "people.csv", own_files.csv_bytes())
    (upload,) = lab.store.uploads((VISITOR,))
    app = widget(app, "data-use").click().run()
    run = lab.store.create_run(config_of(app), VISITOR)
    app = widget(app, "data-delete").click().run()
    assert f"Run {run} trained on it" in text_of(app)
    assert widget(app, "data-delete-confirm").disabled
    lab.store.request(run, "stop", by=VISITOR)
    lab.store.delete(run, by=VISITOR)
    app = widget(app, "data-delete").click().run()
    app = widget(app, "data-delete-confirm").click().run()
    assert lab.store.uploads((VISITOR,)) == []
    assert not upload_folder(upload.digest).exists()
    assert "No files yet" in text_of(app.run())


def test_the_quota_is_kept(page, lab, monkeypatch):
    app = add(page, "people.csv", own_files.csv_bytes())
    monkeypatch.setenv("TRAINSCOPE_UPLOAD_QUOTA_MB", "1")
    data = own_files.csv_bytes(30_000)
    app = add(app, "more.csv", data)
    assert "you may keep 1 MB" in messages(app, "problem")[0]
    assert [upload.name for upload in lab.store.uploads((VISITOR,))] == ["people.csv"]


def test_a_link_to_a_file_that_is_not_here_says_so_and_leads_to_the_page(lab):
    app = lab.open(data="csv", **{"data.file": "ab" * 32, "data.target": "y"})
    assert "is not on this machine" in text_of(app)
    assert widget(app, "start").disabled
    assert any(link.label == "Go to Your data" for link in app.get("page_link"))
    app = lab.open(data="image_folder")
    assert "No file is chosen yet" in text_of(app)


def test_to_know_a_digest_is_not_to_own_the_file(page, lab):
    app = add(page, "people.csv", own_files.csv_bytes())
    theirs = config_of(widget(app, "data-use").click().run())
    (upload,) = lab.store.uploads((VISITOR,))
    lab.store.add_upload("somebody", upload.digest, "people.csv", "table", 1)
    lab.store.remove_upload(upload.digest, by=VISITOR)  # from now on it is somebody else's
    address = {key: str(value) for key, value in theirs.flat().items() if key.startswith("data")}
    app = lab.open(**address)
    assert "belongs to someone else" in text_of(app)
    assert widget(app, "start").disabled
    with pytest.raises(StoreError, match="belongs to someone else"):
        lab.store.create_run(theirs, VISITOR)
    app = lab.open(**{**address, "data.target": "zzz"})
    assert "belongs to someone else" in text_of(app), "not what its columns are called"
    app = lab.open(technique="data.csv", **address)
    app = lab.go(app, "reference")
    assert "belongs to someone else" in app.info[0].value.replace("\\", "")
    assert lab.store.inspections() == []
    app = add(lab.go(lab.open(**address), "data"), "mine.csv", own_files.csv_bytes())
    assert lab.store.create_run(theirs, VISITOR), "the same content, uploaded, gives the right"
    assert not widget(lab.open(**address), "start").disabled


def test_while_a_file_is_checked_its_progress_is_shown_and_it_can_be_cancelled(page, monkeypatch):
    def slow(source, settings, report, cancelled, owner):
        report(0.4, "Reading rows")
        until(cancelled)
        raise uploading.CancelledError

    monkeypatch.setattr(uploading, "receive_file", slow)
    page.file_uploader[0].upload("people.csv", own_files.csv_bytes(), "text/csv")
    app = page.run()
    assert not app.file_uploader
    pending = uploading.pending_upload(VISITOR)
    assert (pending.fraction, pending.activity) == (0.4, "Reading rows") or pending.activity == "Saving"
    app = widget(app, "data-cancel").click().run()
    assert pending.ended.wait(PATIENCE)
    assert app.run().file_uploader
    assert find_manifest("0" * 64) is None


def test_a_second_file_waits_for_the_first_and_says_so(page, monkeypatch):
    monkeypatch.setattr("pages.data.start_upload", lambda *_: False)  # as from another tab
    page.file_uploader[0].upload("second.csv", own_files.csv_bytes(), "text/csv")
    assert "Add second.csv again when that is done" in messages(page.run(), "information")[0]


def test_a_dismissal_that_comes_twice_leaves_the_next_upload_alone(page, lab):
    app = add(page, "bad.csv", b"one column\n" * 30)
    refused = uploading.pending_upload(VISITOR)
    app = widget(app, "data-dismiss").click().run()
    app.file_uploader[0].upload("people.csv", own_files.csv_bytes(), "text/csv")
    app = app.run()
    uploading.dismiss_upload(VISITOR, refused)
    pending = uploading.pending_upload(VISITOR)
    assert pending is not refused
    assert pending.ended.wait(PATIENCE)
    assert "uploaded" in app.run().toast[0].value
    assert [one.name for one in lab.store.uploads((VISITOR,))] == ["people.csv"]


def test_the_last_run_takes_a_file_along_that_nobody_lists(page, lab):
    app = add(page, "people.csv", own_files.csv_bytes())
    (upload,) = lab.store.uploads((VISITOR,))
    app = widget(app, "data-use").click().run()
    run = lab.store.create_run(config_of(app), COMMAND_LINE)
    lab.store.remove_upload(upload.digest, by=VISITOR)
    assert upload_folder(upload.digest).exists(), "the command line's run still needs it"
    delete_with_files(lab.store, get_settings(), run, by=COMMAND_LINE)
    assert not upload_folder(upload.digest).exists()
