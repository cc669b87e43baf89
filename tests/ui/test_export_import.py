"""The section that exports a run, and the uploader that imports one."""

import io

import pytest
from page_testing import VISITOR, messages, text_of, widget

from trainer.comparison.analysis import start
from trainer.comparison.design import make_design
from trainer.config import RunConfig
from trainer.export.collection import write_comparison
from trainer.export.formats import FORMATS
from trainer.metrics.registry import columns, point_type
from trainer.settings import get_settings
from trainer.store import Batch


@pytest.fixture
def measured(lab):
    """A finished run with a hostile name and a few points."""
    config = RunConfig().to_dict()
    run_id = lab.store.create_run(config, VISITOR, '<b>"""*x*', status="running")
    steps = Batch("step", columns("step"), [point_type("step")(1, seconds=0.1, loss=2, lr=0.1)])
    lab.store.record(run_id, 1, [steps], {"step": 1}, [])
    lab.store.finish(run_id, 1, status="finished")
    return run_id


def test_the_script_is_shown_when_asked_for(lab, measured):
    app = lab.open(run=str(measured))
    app = lab.go(app, "runs")
    assert not app.exception
    assert not app.code
    for one in FORMATS.values():
        assert one.label in [button.proto.label for button in app.get("download_button")]
    app = widget(app, f"show-script-{measured}").set_value(True).run()
    assert not app.exception
    assert "for epoch in range(EPOCHS):" in app.code[0].value
    assert "Weights are available once" in text_of(app)


def test_a_zip_is_imported_and_a_bad_one_refused(lab, measured, monkeypatch):
    data = FORMATS["zip"].write(lab.store, get_settings(), lab.store.run(measured))
    fields = {}  # by key: what somebody has put into the field
    monkeypatch.setattr("pages.widgets.import_runs.st.file_uploader", lambda *_, key, **__: fields.get(key))
    fields["import-file-0"] = io.BytesIO(b"no zip *at all*")
    app = lab.go(lab.open(), "runs")
    assert "no whole zip" in messages(app, "problem")[0]
    assert len(lab.runs()) == 1
    fields["import-file-0"] = io.BytesIO(data)
    assert len(lab.runs()) == 1, "what was refused is not checked at every click"

    fields["import-file-1"] = io.BytesIO(data)
    app = app.run()
    assert not messages(app, "problem")
    assert not app.exception
    assert [run.status for run in lab.runs()] == ["finished", "finished"]
    assert str(lab.runs()[0].id) in app.query_params["run"]


def test_a_comparison_that_is_imported_opens_and_offers_its_zip(lab, monkeypatch):
    arms = {"baseline": RunConfig(), "batch norm": RunConfig().changed({"normalization": "batch"})}
    number = start(lab.store, make_design(arms, 1), VISITOR, "Does it help?")
    zipped = io.BytesIO()
    write_comparison(lab.store, get_settings(), number, zipped)
    fields = {"import-file-0": io.BytesIO(zipped.getvalue())}
    monkeypatch.setattr("pages.widgets.import_runs.st.file_uploader", lambda *_, key, **__: fields.get(key))
    app = lab.go(lab.open(), "runs")
    assert not messages(app, "problem")
    assert str(number + 1) in app.query_params["comparison"]
    assert text_of(app).count("Does it help?") == 1
    assert "Export" in [button.proto.label for button in app.get("download_button")]
    assert [str(one.run.status) for one in lab.store.members(number + 1)] == ["stopped", "stopped"]


def test_a_run_of_another_version_says_what_cannot_be_exported(lab):
    run_id = lab.store.create_run({"epochs": 3, "unheard_of": 1}, VISITOR, status="running")
    lab.store.finish(run_id, 1, status="finished")
    app = lab.go(lab.open(run=str(run_id)), "runs")
    assert not app.exception
    barred = [button.proto.label for button in app.get("download_button") if button.proto.disabled]
    assert {FORMATS["script"].label, FORMATS["zip"].label} <= set(barred)
    assert "set in another version" in text_of(app)
