"""The recorder against a real store: nothing is lost, in order, whatever happens in between."""

from __future__ import annotations

import math
import os
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from waiting import PATIENCE, until

from trainer.lifecycle.requests import Request, RequestKind
from trainer.metrics.registry import point_type
from trainer.processes import recorder as module
from trainer.processes.control import Control
from trainer.processes.recorder import Recorder, RecordingError, fetch, to_array
from trainer.store import COMMAND_LINE, Store, database

STOP, RESUME, INTERRUPT = (
    Request(kind) for kind in (RequestKind.STOP, RequestKind.RESUME, RequestKind.INTERRUPT)
)
StepPoint, EpochPoint = point_type("step"), point_type("epoch")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'store.db'}")


def begin(store: Store, **options) -> tuple[int, Recorder, Control]:
    run_id = store.create_run({}, "ada")
    attempt = store.claim(run_id)
    control = Control()
    return run_id, Recorder(store, run_id, attempt, control, **options), control


def test_everything_arrives_in_order(store: Store) -> None:
    run_id, recorder, _ = begin(store)
    with recorder:
        recorder.progress({"device": "cpu", "total_steps": 3000})
        for step in range(1, 3001):
            norm = math.nan if step == 7 else 2.0
            recorder.step(StepPoint(step, seconds=step / 100, loss=1.0 / step, grad_norm=norm))
            if step % 1000 == 0:
                recorder.epoch(EpochPoint(step, epoch=step // 1000, seconds=step / 100))
        recorder.notice("hello")
    points = store.read_points(run_id, "step")
    assert np.array_equal(points.column("step"), np.arange(1, 3001))
    assert math.isnan(points.column("grad_norm")[6])
    assert list(store.read_points(run_id, "epoch").column("epoch")) == [1, 2, 3]
    run = store.run(run_id)
    assert run.progress["device"] == "cpu"
    assert run.progress["step"] == 3000
    assert run.progress["steps_per_s"] == pytest.approx(100, rel=0.01)
    assert run.notices == ["hello"]


def test_flush_returns_once_all_is_committed(store: Store) -> None:
    run_id, recorder, _ = begin(store)
    with recorder:
        for step in range(1, 50):
            recorder.step(StepPoint(step))
            recorder.flush()
            assert store.last_step(run_id, "step") == step


def test_tensors_become_the_same_floats() -> None:
    values = [torch.tensor(0.1), 0.5, torch.tensor(0.1, dtype=torch.float64), None, torch.tensor(math.inf)]
    assert fetch(values) == [float(torch.tensor(0.1)), 0.5, 0.1, None, math.inf]
    array = to_array([StepPoint(1, loss=torch.tensor(2.5)), StepPoint(2, loss=None)])
    loss = array[:, StepPoint._fields.index("loss")]
    assert loss[0] == 2.5
    assert math.isnan(loss[1])


@pytest.mark.parametrize("what", ["stop", "pause"])
def test_requests_set_control(store: Store, what: str) -> None:
    run_id, recorder, control = begin(store)
    with recorder:
        assert control() is None
        store.request(run_id, what, by=COMMAND_LINE)
        until(lambda: control() == Request(RequestKind(what)))


def test_heartbeat_goes_on_without_points(store: Store) -> None:
    run_id, recorder, _ = begin(store)
    with recorder:
        until(lambda: store.run(run_id).beat >= 3)


def test_a_superseded_recorder_leaves_and_writes_nothing(store: Store) -> None:
    run_id, recorder, control = begin(store)
    recorder.open()
    store.lost(run_id, 1, "thought dead.")
    store.claim(run_id)
    until(lambda: control() == INTERRUPT)
    until(lambda: not recorder._thread.is_alive())
    with pytest.raises(RecordingError):
        recorder.step(StepPoint(1))
    with pytest.raises(RecordingError):
        recorder.close()
    assert recorder.superseded
    assert store.last_step(run_id, "step") == -1


def test_a_changed_parent_means_interrupt(store: Store) -> None:
    _, recorder, control = begin(store, parent=os.getppid() + 1)
    with recorder:
        until(lambda: control() == INTERRUPT)


def test_training_waits_for_a_locked_database_and_loses_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "CAPACITY", 100)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    impatient = Store(store.url)
    tries, record = [], impatient.record

    def counted(*told):
        tries.append(told)
        return record(*told)

    monkeypatch.setattr(impatient, "record", counted)
    run_id, recorder, _ = begin(impatient)
    recorder.open()
    locker = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    done: list[int] = []

    def train() -> None:
        for step in range(1, 501):
            recorder.step(StepPoint(step))
            done.append(step)

    thread = threading.Thread(target=train)
    thread.start()
    until(
        lambda: len(tries) > 5 and len(done) >= 99
    )  # a full queue, and time enough for whoever does not wait
    assert len(done) < 400  # it waits: at most two loads of the queue are taken
    locker.execute("COMMIT")
    thread.join(PATIENCE)
    recorder.close()
    assert np.array_equal(store.read_points(run_id, "step").column("step"), np.arange(1, 501))
    assert any("nothing was lost" in notice for notice in store.run(run_id).notices)
    assert "database is locked" in capsys.readouterr().err


def test_leaving_with_an_unwritable_database_gives_up(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAVE_SECONDS", 0.2)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    impatient = Store(store.url)
    _, recorder, control = begin(impatient)
    locker = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    recorder.open()
    recorder.step(StepPoint(1))
    control.request(INTERRUPT)
    with pytest.raises(RecordingError, match="before leaving"):
        recorder.flush()
    with pytest.raises(RecordingError):
        recorder.close()


def test_the_first_request_to_leave_counts_and_comes_before_all_others() -> None:
    control = Control()
    control.request(RESUME)
    assert control() == RESUME
    control.request(STOP)
    control.request(INTERRUPT)
    assert control() == STOP
    assert not control.is_interrupted


def test_a_request_that_does_not_leave_is_answered_once_and_leaves_the_store(store: Store) -> None:
    run_id, recorder, control = begin(store)
    store.request(run_id, RequestKind.PAUSE, by=COMMAND_LINE)
    store.resume(run_id, by=COMMAND_LINE)  # before the recorder has read the pause
    with recorder:
        until(lambda: control() == RESUME)
        beat = store.run(run_id).beat
        until(lambda: store.run(run_id).beat > beat)
        assert store.run(run_id).request is RequestKind.RESUME, "nobody has answered yet"
        recorder.handled(RESUME)
        assert control() is None
        until(lambda: store.run(run_id).request is None)
        assert control() is None, "it is handed over once"
        store.request(run_id, RequestKind.STOP, by=COMMAND_LINE)
        until(lambda: control() == STOP)


def test_a_change_is_committed_with_the_first_step_that_was_trained_with_it(store: Store) -> None:
    run_id, recorder, control = begin(store)
    change = store.change_knobs(run_id, {"learning_rate": 0.01}, by=COMMAND_LINE)
    with recorder:
        recorder.step(StepPoint(1))
        until(control)
        request = control()
        assert request.payload == {"number": change.number, "values": {"learning_rate": 0.01}, "after": -1}
        recorder.handled(Request(request.kind, {**request.payload, "step": 1}))
        recorder.step(StepPoint(2))
        until(lambda: store.last_step(run_id, "step") == 2)
        assert store.knob_changes(run_id)[0].step == 1
        beat = store.run(run_id).beat
        until(lambda: store.run(run_id).beat > beat + 1)
        assert control() is None, "it is handed over once"


def test_a_later_attempt_gets_the_changes_of_the_earlier_ones(store: Store) -> None:
    run_id, recorder, control = begin(store)
    for rate in (0.01, 0.02):
        store.change_knobs(run_id, {"learning_rate": rate}, by=COMMAND_LINE)
    with recorder:
        recorder.step(StepPoint(1))
        until(control)
        recorder.handled(Request(RequestKind.CHANGE, {**control().payload, "step": 1}))
        recorder.step(StepPoint(2))
    store.lost(run_id, 1, "killed")
    control = Control()
    with Recorder(store, run_id, store.claim(run_id), control) as recorder:
        assert control().payload["step"] == 1, "known before the first step is trained"
        recorder.handled(control())
        until(control)
        assert control().payload["values"] == {"learning_rate": 0.02}
        assert control().payload["after"] == 2, "the curve is recorded so far without it"
