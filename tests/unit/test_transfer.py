"""Taking a run away in each format, and taking one in: exact where it is honest, refused with a sentence where it is not."""

from __future__ import annotations

import io
import json
import math
import pickle
import resource
import subprocess
import sys
import zipfile
from datetime import UTC, datetime

import numpy as np
import own_files
import pandas as pd
import pytest
import torch
from engine_runs import STOP, exact, same_weights, saved_weights, small
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from safetensors.torch import load
from zips import changed, edited, replaced

from trainer.cli.main import main
from trainer.config import RunConfig
from trainer.curves import deltas
from trainer.export.bundle import BundleError
from trainer.export.events import crc32c, event_file
from trainer.export.formats import FORMATS, ExportError
from trainer.export.sandboxed_import import receive
from trainer.export.unbundle import import_bundle, read_bundle
from trainer.lifecycle.requests import Request, RequestKind
from trainer.processes.control import Control
from trainer.processes.worker import train_attempt
from trainer.settings import get_settings
from trainer.store import COMMAND_LINE, Points, Store, StoreError
from trainer.store.knob_changes import record_applied


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a finished run, a stopped one and a queued one."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINSCOPE_HOME", str(folder))
        settings = get_settings()
        store = Store(settings.url)
        config = small(normalization="batch", epochs=4, early_stopping="patience")
        finished = store.create_run(config, "me", "Ünïcode <b>*", "running", "noted\n**this**")
        train_attempt(store, finished, 1, settings, Control())
        stopped = store.create_run(config, "me", "", "running")
        train_attempt(store, stopped, 1, settings, Stop())
        store.create_run(config, "me")
        assert [run.status for run in store.runs()] == ["queued", "stopped", "finished"]
        yield settings, store
        store.close()


class Stop(Control):
    """Requests a stop after a few steps."""

    def __init__(self):
        super().__init__()
        self.left = 8

    def __call__(self):
        self.left -= 1
        return STOP if self.left < 0 else None

    def set(self, flag):
        self.left = 0


def written(home, name, run_id=1):
    settings, store = home
    return FORMATS[name].write(store, settings, store.run(run_id))


def test_weights_leave_as_safetensors_bit_for_bit(home):
    settings, _ = home
    for run_id in (1, 2):
        assert same_weights(
            load(written(home, "safetensors", run_id)), saved_weights(settings.run_folder(run_id))
        )


def test_tables_hold_every_number(home):
    _, store = home
    steps, epochs = store.read_points(1, "step"), store.read_points(1, "epoch")
    tables = [
        pd.read_csv(io.BytesIO(written(home, "csv")), converters=dict.fromkeys(("loss", "val_loss"), number)),
        pd.read_parquet(io.BytesIO(written(home, "parquet"))),
    ]
    for table in tables:
        assert list(table["step"]) == list(steps.column("step"))
        for name in ("loss", "clipped"):
            assert np.array_equal(table[name], steps.column(name), equal_nan=True), name
        ends = table.dropna(subset=["val_loss"])
        assert list(ends["val_loss"]) == list(epochs.column("val_loss"))
        assert list(ends["epoch"]) == [1, 2, 3, 4]


def number(text):
    """A cell to its last digit, whichever way pandas reads numbers by itself."""
    return float(text or "nan")


def event_message():
    """`tensorflow.Event` as its .proto file declares it, read by protobuf itself."""
    kinds = {"double": 1, "float": 2, "int64": 3, "string": 9, "message": 11}
    messages = {
        "Value": [("tag", 1, "string", ""), ("simple_value", 2, "float", "")],
        "Summary": [("value", 1, "message", "Value")],
        "Event": [("wall_time", 1, "double", ""), ("step", 2, "int64", ""), ("file_version", 3, "string", ""),
                  ("summary", 5, "message", "Summary")],
    }  # fmt: skip
    file = descriptor_pb2.FileDescriptorProto(name="event.proto", package="t", syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            label = 3 if name == "Summary" else 1
            added = message.field.add(name=field, number=number, type=kinds[kind], label=label)
            if of:
                added.type_name = f".t.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Event"))


def masked(data: bytes) -> int:
    crc = int(crc32c(np.frombuffer(data, np.uint8)[None])[0])
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def events_in(data: bytes):
    """Reads the records one by one and checks both checksums of each."""
    kind, place = event_message(), 0
    while place < len(data):
        length = int.from_bytes(data[place : place + 8], "little")
        assert int.from_bytes(data[place + 8 : place + 12], "little") == masked(data[place : place + 8])
        body = data[place + 12 : place + 12 + length]
        assert int.from_bytes(data[place + 12 + length : place + 16 + length], "little") == masked(body)
        yield kind.FromString(body)
        place += 16 + length


def test_the_checksum_is_that_of_rfc_3720():
    for text, wanted in ((b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)):
        assert int(crc32c(np.frombuffer(text, np.uint8)[None])[0]) == wanted


def test_tensorboard_reads_the_curves(home):
    _, store = home
    first, *events = events_in(written(home, "tensorboard"))
    assert first.file_version == "brain.Event:2"
    steps = store.read_points(1, "step")
    losses = [
        (event.step, value.simple_value)
        for event in events
        for value in event.summary.value
        if value.tag == "step/loss"
    ]
    assert losses == list(zip(steps.column("step"), np.float32(steps.column("loss")).tolist(), strict=True))
    assert {value.tag for event in events for value in event.summary.value} >= {"epoch/val_loss", "step/lr"}


def test_what_is_no_number_survives_in_events():
    points = Points(
        ("step", "seconds", "loss"), np.array([[1, 0, math.inf], [300, 1, math.nan], [70_000, 2, -1e300]])
    )
    _, *events = events_in(event_file([("step", points)], 1e9))
    assert [[value.simple_value for value in event.summary.value] for event in events] == [
        [math.inf],
        [],
        [-math.inf],
    ]
    assert [event.step for event in events] == [1, 300, 70_000]


def test_a_run_that_has_nothing_yet_says_so(home):
    for name in ("safetensors", "csv", "parquet", "tensorboard"):
        with pytest.raises(ExportError, match="This run has"):
            written(home, name, 3)


@pytest.fixture
def other(tmp_path, monkeypatch):
    """Another installation."""
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path / "other"))
    settings = get_settings()
    store = Store(settings.url)
    yield settings, store
    store.close()


def test_a_run_comes_over_whole(home, other):
    (_, before), (settings, store) = home, other
    for run_id in (1, 2):
        new = import_bundle(store, settings, io.BytesIO(written(home, "zip", run_id)), "you")
        old, run = before.run(run_id), store.run(new)
        for name in (
            "name",
            "notes",
            "status",
            "config",
            "results",
            "error",
            "notices",
            "created",
            "started",
            "ended",
        ):
            assert exact(getattr(run, name)) == exact(getattr(old, name)), name
        assert run.owner == "you"
        assert run.progress["parameters"] == old.progress["parameters"]
        for kind in ("step", "epoch", "health"):
            one, two = before.read_points(run_id, kind), store.read_points(new, kind)
            assert one.columns == two.columns
            assert one.array.tobytes() == two.array.tobytes()
        assert written((settings, store), "safetensors", new) == written(home, "safetensors", run_id)
    assert not (settings.run_folder(1) / "checkpoint.pt").exists()


def test_a_stopped_run_goes_on_where_it_was_taken_to(home, other):
    settings, store = other
    new = import_bundle(store, settings, io.BytesIO(written(home, "zip", 2)), "you")
    assert store.resume(new, by=COMMAND_LINE) == "queued"
    train_attempt(store, new, store.claim(new), settings, Control())
    run, twin = store.run(new), home[1].run(1)
    assert run.status == "finished"
    assert exact(run.results["test"]) == exact(twin.results["test"])


@pytest.fixture(scope="module")
def changed_runs(tmp_path_factory):
    """A home with a run whose knobs changed twice while it trained, finished, and one like it that was stopped."""
    folder = tmp_path_factory.mktemp("changed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINSCOPE_HOME", str(folder))
        settings = get_settings()
        store = Store(settings.url)
        for control in (Control(), StopAfterSteps(16)):
            run_id = store.create_run(small(epochs=4), "me", status="running")
            store.change_knobs(run_id, {"learning_rate": 0.01}, by="me")
            store.change_knobs(run_id, {"batch_size": 16, "dropout.rate": 0.5}, by="me")
            with store.writing() as connection:
                for number, step in ((1, 3), (2, 12)):
                    handled = Request(RequestKind.CHANGE, {"number": number, "step": step})
                    record_applied(connection, run_id, [handled])
            train_attempt(store, run_id, 1, settings, control)
        yield settings, store
        store.close()


class StopAfterSteps(Control):
    """Requests a stop once it was called so often; changes come first."""

    def __init__(self, calls):
        super().__init__()
        self.left = calls

    def __call__(self):
        self.left -= 1
        return STOP if self.left < 0 else super().__call__()


def test_changes_of_knobs_come_over_and_come_again_on_resume(changed_runs, other):
    (_, before), (settings, store) = changed_runs, other
    assert [run.status for run in before.runs()] == ["stopped", "finished"]
    new = import_bundle(store, settings, io.BytesIO(written(changed_runs, "zip", 2)), "you")
    assert store.knob_changes(new) == before.knob_changes(2)
    assert store.run(new).changes == 2
    store.resume(new, by="you")
    later = store.change_knobs(new, {"learning_rate": 0.02}, by="you")
    train_attempt(store, new, store.claim(new), settings, Control())
    assert store.run(new).status == "finished"
    applied = store.knob_changes(new)[-1]
    assert applied.number == later.number == 3
    assert applied.step >= before.last_step(2, "step")
    whole, resumed = before.read_points(1, "step"), store.read_points(new, "step")
    rates = resumed.column("lr").tolist()
    assert rates[: applied.step] == whole.column("lr").tolist()[: applied.step]
    assert set(rates[applied.step :]) == {0.02}


def test_the_exact_script_alone_repeats_changes_of_knobs(changed_runs):
    with pytest.raises(ExportError, match="changed while it trained, which only the exact script repeats"):
        written(changed_runs, "short")
    with zipfile.ZipFile(io.BytesIO(written(changed_runs, "zip"))) as archive:
        assert archive.read("run.py") == written(changed_runs, "script")


def test_a_run_on_a_file_that_is_elsewhere_says_so(home):
    def foreign(files):
        config = RunConfig.from_flat({"data": "csv", "data.file": "ab" * 32, "data.target": "price"})
        files["config.json"] = config.to_json().encode()

    told = read_bundle(io.BytesIO(changed(written(home, "zip"), foreign))).values["notices"]
    assert any("file that is not on this machine" in text for text in told)
    assert not any(
        "not on this machine" in text
        for text in read_bundle(io.BytesIO(written(home, "zip"))).values["notices"]
    )


def test_a_run_exported_before_there_were_more_metrics_comes_over(home, other):
    """With the columns of version 0.1, whose runs must open for good."""
    settings, store = other
    columns = {
        "metrics/step.csv": ["step", "seconds", "loss", "lr", "grad_norm", "clipped", "loss_scale"],
        "metrics/epoch.csv": ["step", "epoch", "seconds", "train_loss", "train_metric", "val_loss", "val_metric", "lr",
                              "patience_left"],
    }  # fmt: skip

    def older(files):
        for name, known in columns.items():
            table = pd.read_csv(io.BytesIO(files[name]), dtype=str)
            files[name] = table[known].to_csv(index=False, na_rep="nan").encode()

    new = import_bundle(store, settings, io.BytesIO(changed(written(home, "zip"), older)), "you")
    steps, epochs = (store.read_points(new, kind) for kind in ("step", "epoch"))
    assert [list(steps.columns), list(epochs.columns)] == list(columns.values())
    assert steps.column("loss").tobytes() == home[1].read_points(1, "step").column("loss").tobytes()
    (frame, _) = deltas.delta(store, new, {"step": -1, "epoch": -1})
    assert {series.name for series in frame.series} == {"seconds", "loss", "lr", "grad_norm"}
    assert not any(series.marks for series in frame.series)
    assert "update_ratio" not in pd.read_csv(io.BytesIO(written(other, "csv", new)))
    assert import_bundle(store, settings, io.BytesIO(written(other, "zip", new)), "you") == new + 1


def test_a_run_without_a_metric_that_all_runs_have_is_refused(home, other):
    def without(files):
        table = pd.read_csv(io.BytesIO(files["metrics/step.csv"]), dtype=str).drop(columns="grad_norm")
        files["metrics/step.csv"] = table.to_csv(index=False).encode()

    with pytest.raises(BundleError, match="columns"):
        import_bundle(other[1], other[0], io.BytesIO(changed(written(home, "zip"), without)), "you")


def with_value(name, column, value):
    """A change of one cell, in the second row of a table."""

    def change(files):
        table = pd.read_csv(io.BytesIO(files[name]), dtype=str)
        table.loc[1, column] = str(value)
        files[name] = table.to_csv(index=False, na_rep="nan").encode()

    return change


def torch_file(value):
    out = io.BytesIO()
    torch.save(value, out)
    return out.getvalue()


HOLLOW = b"step,grad_norm/a\n1,0\n" + b"\n" * 2_000_000


class Evil:
    def __reduce__(self):
        return print, ("gotcha",)


def evil_checkpoint(protocol):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps(Evil(), protocol=protocol))
    return out.getvalue()


HOSTILE = {
    "another version": (edited("manifest.json", version=2), "version 2"),
    "another format": (edited("manifest.json", format="x" * 10**5), "this installation reads"),
    "no manifest": (lambda files: files.update({"manifest.json": b"[]"}), "no JSON object"),
    "deep JSON": (lambda files: files.update({"run.json": b"[" * 100_000}), "not JSON"),
    "broken JSON": (replaced("config.json", b"{", b"{{"), "config.json is not JSON"),
    "an impossible knob": (edited("config.json", learning_rate=-1), "learning_rate is -1"),
    "an unknown knob": (edited("config.json", evil=1), "evil"),
    "a live run": (edited("run.json", status="running"), "only one that is over"),
    "changes that are no list": (edited("run.json", changes={}), "no list of at most"),
    "too many changes": (edited("run.json", changes=[{}] * 1001), "no list of at most"),
    "a change of nothing": (edited("run.json", changes=[{"values": {"epochs": 4}, "step": 1}]), "Change 1 of the run"),
    "a change that may not be": (edited("run.json", changes=[{"values": {"seed": 1}, "step": 1}]), "is fixed while"),
    "a change before all steps": (edited("run.json", changes=[{"values": {"learning_rate": 1}, "step": -1}]), "no change"),
    "a name that is no text": (edited("run.json", name=["x"]), "must be text"),
    "tags that are no list": (edited("run.json", tags={"a": 1}), "must be a list of text"),
    "a moment that is none": (edited("run.json", created="0001-01-01T00:00:00+00:00"), "no moment"),
    "results that are none": (edited("results.json", best=[1]), "results.json does not fit"),
    "results of another kind": (edited("results.json", train={"loss": "x" * 9}), "does not fit"),
    "results that are text": (edited("results.json", seconds="1"), "does not fit"),
    "a step that is NaN": (replaced("metrics/step.csv", b"\n2,", b"\nnan,"), "no whole numbers"),
    "a step that falls": (replaced("metrics/step.csv", b"\n2,", b"\n1,"), "do not rise"),
    "a step below zero": (replaced("metrics/step.csv", b"\n1,", b"\n-1,"), "no whole numbers"),
    "half a step": (replaced("metrics/step.csv", b"\n2,", b"\n1.5,"), "no whole numbers"),
    "a step too large for charts": (replaced("metrics/step.csv", b"\n2,", b"\n2147483648,"), "no whole numbers"),
    "an epoch that is none": (with_value("metrics/epoch.csv", "epoch", math.nan), "no whole numbers"),
    "a value beyond float32": (with_value("metrics/step.csv", "loss", 1e308), "no training gives"),
    "a table of nothing but zeros": (lambda files: files.update({"metrics/health.csv": HOLLOW}), "times its packed size"),
    "a number of steps below zero": (edited("results.json", steps=-(2**31)), "no training gives"),
    "a loss beyond float32": (edited("results.json", test={"loss": 1e308, "metric": 1.0}), "no training gives"),
    "an error as long as a book": (edited("results.json", error="x" * 10_000), "no training gives"),
    "a word": (replaced("metrics/step.csv", b"\n2,", b"\nevil,"), "no number"),
    "a cell too many": (replaced("metrics/epoch.csv", b"\n", b"\n0,1,2,3,4,5,6,7,8,9,10\n"), "rows of 11 values"),
    "another column": (replaced("metrics/step.csv", b"loss", b"evil"), "columns that a run does not have"),
    "columns that are tags": (lambda files: files.update({"metrics/health.csv": b"step,<b>\n1,2\n"}), "columns"),
    "no table": (lambda files: files.update({"metrics/step.csv": b"\x00\xff"}), "columns"),
    "weights that are none": (lambda files: files.update({"weights.safetensors": b"\xff" * 64}), "safetensors"),
    "a checkpoint that prints": (lambda files: files.update({"checkpoint.pt": evil_checkpoint(2)}), "could run code"),
    "one of protocol 4": (lambda files: files.update({"checkpoint.pt": evil_checkpoint(4)}), "could run code"),
    "a checkpoint of objects": (lambda files: files.update({"checkpoint.pt": torch_file(Evil())}), "could run code"),
    "no checkpoint": (lambda files: files.update({"checkpoint.pt": b"x"}), "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_zip_is_refused_with_a_sentence(name, home, other):
    change, sentence = HOSTILE[name]
    signs = "manifest" not in name and not name.startswith("another v")
    data = changed(written(home, "zip"), change, sign=signs)
    settings, store = other
    with pytest.raises(BundleError) as error:
        import_bundle(store, settings, io.BytesIO(data), "you")
    assert sentence in str(error.value)
    assert len(str(error.value)) < 500
    assert "\n" not in str(error.value)
    assert store.runs(archived=None) == []
    assert not (settings.home / "runs").exists()


def test_zips_that_lie_about_themselves_are_refused(home, monkeypatch):
    good = written(home, "zip")
    assert read_bundle(io.BytesIO(changed(good))).values["status"] == "finished"
    with pytest.raises(BundleError, match="checksum differs"):
        read_bundle(io.BytesIO(changed(good, edited("results.json", seconds=1.0), sign=False)))
    for broken in (b"", b"PK", good[:-30], good[: len(good) // 2], b"x" * 1000):
        with pytest.raises(BundleError, match="no whole zip"):
            read_bundle(io.BytesIO(broken))
    many = changed(good, lambda files: files.update({f"{number}.txt": b"" for number in range(100)}))
    with pytest.raises(BundleError, match="at most 40"):
        read_bundle(io.BytesIO(many))
    bomb = changed(good, lambda files: files.update({"run.json": b" " * 2_000_000}))
    assert len(bomb) < 100_000
    with pytest.raises(BundleError, match=r"run\.json has 2 MB; the limit is 1 MB"):
        read_bundle(io.BytesIO(bomb))
    monkeypatch.setattr("trainer.export.unbundle.MAX_SUM", 1000)
    with pytest.raises(BundleError, match="too much for a run"):
        read_bundle(io.BytesIO(good))


def test_rows_wider_than_their_header_cost_no_memory(home, monkeypatch):
    wide = b"step,grad_norm/a\n" + b"0," * 50_000 + b"0\n"
    data = changed(written(home, "zip"), lambda files: files.update({"metrics/health.csv": wide}))
    monkeypatch.setattr("trainer.export.imported_curves.MAX_CELLS", 20_000)
    with pytest.raises(BundleError, match=r"health\.csv has more than"):
        read_bundle(io.BytesIO(data))


def test_progress_that_pages_count_with_is_numbers(home):
    facts = {"parameters": "many", "step": 1.5, "seconds": True, "epoch": 10**20, "device": 7, "epochs": 3}
    facts |= {"total_steps": -(2**31), "steps_per_epoch": 2**31, "loss": 1e308}
    facts |= {"unit": "half a \ud800 sign", "metric": "two\nlines"}
    values = read_bundle(io.BytesIO(changed(written(home, "zip"), edited("run.json", progress=facts)))).values
    assert values["progress"] == {"epochs": 3}


def test_a_page_takes_a_run_in_through_a_bounded_process(home, other, monkeypatch):
    settings, store = other
    data = written(home, "zip")
    assert store.run(receive(settings, io.BytesIO(data), "you").runs[0]).owner == "you"
    with pytest.raises(BundleError, match="no whole zip"):
        receive(settings, io.BytesIO(data[:-30]), "you")
    monkeypatch.setattr("trainer.processes.sandboxed_reader.MAX_SECONDS", 0.0)
    with pytest.raises(BundleError, match="within the limits on memory and time"):
        receive(settings, io.BytesIO(data), "you")
    assert len(store.runs()) == 1
    assert not list((settings.uploads / "incoming").iterdir())


def test_an_imported_run_counts_as_kept_until_it_is_deleted(home, other, monkeypatch):
    settings, store = other
    data = written(home, "zip")
    (run,) = receive(settings, io.BytesIO(data), "you").runs
    kept = store.usage("you", space="you").used.visitor_bytes
    points = sum(store.read_points(run, kind).array.nbytes for kind in ("step", "epoch", "health"))
    assert kept == points + (settings.run_folder(run) / "weights.safetensors").stat().st_size
    monkeypatch.setenv("TRAINSCOPE_UPLOAD_QUOTA_MB", "1")
    store.add_upload("you", "ab" * 32, "large.csv", "table", 1_000_000 - kept)
    with pytest.raises(BundleError, match="you may keep 1 MB"):
        receive(get_settings(), io.BytesIO(data), "you")
    assert store.run(receive(get_settings(), io.BytesIO(data), "somebody").runs[0]).owner == "somebody"
    store.delete(run, by="you")
    assert store.usage("you", space="you").used.visitor_bytes == 1_000_000 - kept


def test_the_limit_on_files_does_not_hold_for_the_database(tmp_path):
    """A database larger than that ended the import that wrote to it."""
    (tmp_path / "run.zip").touch()
    settings = get_settings().model_dump(mode="json") | {"home": str(tmp_path)}
    (tmp_path / "order.json").write_text(
        json.dumps({"settings": settings, "owner": "you", "space": "you", "address": ""})
    )
    look = (
        "import resource, sys; from pathlib import Path; from trainer.export import sandboxed_import as child\n"
        "child.import_file = lambda *_: child.Imported([resource.getrlimit(resource.RLIMIT_FSIZE)[0]])\n"
        "child.main(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", look, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert json.loads(done.stdout) == {"runs": [resource.RLIM_INFINITY], "comparison": None}


def test_a_run_on_somebody_elses_file_goes_on_and_leaves_only_with_a_right_to_it(other):
    _, store = other
    digest = own_files.added(own_files.csv_bytes())
    store.add_upload("somebody", digest, "people.csv", "table", 1)
    config = RunConfig.from_flat({"data": "csv", "data.file": digest, "data.target": "member"})
    now = datetime.now(UTC)
    values = {"status": "stopped", "config": config.to_dict(), "progress": {}, "results": None, "notices": []}
    texts = {"name": "", "notes": "", "error": None}
    run = store.import_run("you", {**values, **texts, "created": now, "started": now, "ended": now}, [])

    def names():
        return zipfile.ZipFile(io.BytesIO(written(other, "zip", run))).namelist()

    for name in ("short", "script"):
        with pytest.raises(ExportError, match="belongs to someone else"):
            written(other, name, run)
    assert names() == ["run.json", "config.json", "manifest.json"]
    with pytest.raises(StoreError, match="belongs to someone else"):
        store.resume(run, by="you")
    store.add_upload("you", digest, "mine.csv", "table", 1)
    assert b"torch" in written(other, "short", run)
    assert "data/values.npy" in names()
    assert store.resume(run, by="you") == "queued"


def test_names_that_point_elsewhere_are_never_written(home, other, tmp_path):
    settings, store = other
    names = ("../../evil.txt", "/tmp/evil.txt", "..\\evil", "data/x.npy")
    data = changed(written(home, "zip"), lambda files: files.update(dict.fromkeys(names, b"evil")))
    import_bundle(store, settings, io.BytesIO(data), "you")
    assert not list(tmp_path.rglob("*evil*"))
    assert sorted(file.name for file in settings.run_folder(1).iterdir()) == ["weights.safetensors"]


def test_the_command_line_exports_and_imports(home, tmp_path, monkeypatch, capfd):
    settings, _ = home
    monkeypatch.setenv("TRAINSCOPE_HOME", str(settings.home))
    monkeypatch.chdir(tmp_path)
    for name, one in FORMATS.items():
        assert main(["export", "1", "--format", name]) == 0
        assert capfd.readouterr().out == f"run-1{one.suffix}\n"
        assert (tmp_path / f"run-1{one.suffix}").stat().st_size > 100
    assert main(["export", "3", "--format", "safetensors"]) == 2
    assert capfd.readouterr().err.count("\n") == 1
    assert main(["export", "99", "--format", "csv"]) == 2
    assert "There is no run 99" in capfd.readouterr().err
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path / "new"))
    assert main(["import", "run-1.zip"]) == 0
    assert capfd.readouterr().out == "1\n"
    for bad in ("missing.zip", "run-1.csv"):
        assert main(["import", bad]) == 2
        assert capfd.readouterr().err.count("\n") == 1
