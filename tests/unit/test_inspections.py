"""Questions to torch: asked once, answered once, withdrawn when their asker moves on, never more than the table may hold."""

from __future__ import annotations

import math
import os
import signal
import threading
from pathlib import Path

import pytest

from trainer.config import RunConfig
from trainer.engine.build import build
from trainer.preflight.dry_run import question_of
from trainer.processes import inspection, inspector
from trainer.processes.launcher import Child
from trainer.settings import Settings
from trainer.store import Store, StoreError, inspections


@pytest.fixture
def store(tmp_path: Path):
    store = Store(Settings(home=tmp_path).url)
    yield store
    store.close()


def answered(store: Store, question, answer):
    asked = store.ask("before", question)
    assert store.start_inspection(asked.id).question == question
    store.finish_inspection(asked.id, answer)
    return asked.id


def test_a_question_is_asked_once_whatever_the_order_of_its_keys(store):
    first = store.ask("before", {"a": 1, "b": [2, "ü\0"]})
    assert first.status == "queued"
    assert store.ask("before", {"b": [2, "ü\0"], "a": 1}).id == first.id
    assert store.ask("before", {"a": 2, "b": [2, "ü\0"]}).id != first.id
    assert store.ask("another", {"a": 1, "b": [2, "ü\0"]}).id != first.id
    assert store.inspection(first.id).question == {"a": 1, "b": [2, "ü\0"]}


def test_an_answer_is_kept_and_found_again_without_a_write(store):
    question = {"seed": 1}
    asked = answered(store, question, {"std": [1.5, math.inf], "note": "fine"})
    before = store.change_stamp()
    again = store.ask("before", question)
    assert (again.id, again.status, again.answer) == (
        asked,
        "finished",
        {"std": [1.5, math.inf], "note": "fine"},
    )
    assert again.is_over
    assert store.change_stamp() == before


def test_other_code_asks_again(store, monkeypatch):
    asked = answered(store, {}, 1)
    monkeypatch.setattr(inspections, "code_stamp", lambda: "the next version")
    assert store.ask("before", {}).id != asked


def test_the_code_stamp_knows_every_source_file_and_torch(monkeypatch):
    present = inspections.code_stamp()
    inspections.code_stamp.cache_clear()
    assert inspections.code_stamp() == present
    inspections.code_stamp.cache_clear()
    monkeypatch.setattr(inspections, "version", lambda package: "99")
    assert inspections.code_stamp() != present
    inspections.code_stamp.cache_clear()


def test_what_failed_may_be_asked_again(store):
    asked = store.ask("before", {})
    store.start_inspection(asked.id)
    store.finish_inspection(asked.id, error="Memory ran out.")
    failed = store.inspection(asked.id)
    assert (failed.status, failed.message, failed.answer) == ("failed", "Memory ran out.", None)
    again = store.ask("before", {})
    assert again.status == "queued"
    assert again.id > asked.id
    with pytest.raises(StoreError, match=f"no inspection {asked.id}"):
        store.inspection(asked.id)


def test_the_newest_question_of_an_asker_wins(store):
    first = store.ask("before", {"rate": 1})
    second = store.ask("before", {"rate": 2}, instead_of=first.id)
    store.start_inspection(second.id)
    third = store.ask("before", {"rate": 3}, instead_of=second.id)
    assert [job.id for job in store.inspections()] == [third.id]
    store.finish_inspection(second.id, 5)  # its process ends a little later
    assert [job.id for job in store.inspections()] == [third.id]


def test_moving_on_keeps_answers_and_the_same_question(store):
    done = answered(store, {"rate": 1}, 1)
    waiting = store.ask("before", {"rate": 2}, instead_of=done)
    assert store.ask("before", {"rate": 2}, instead_of=waiting.id).id == waiting.id
    assert store.ask("before", {"rate": 1}, instead_of=waiting.id).answer == 1
    assert [job.id for job in store.inspections()] == [done]
    store.withdraw(done)
    assert [job.id for job in store.inspections("finished")] == [done]
    store.withdraw(store.ask("before", {"rate": 5}).id)
    assert store.inspections("queued") == []


def test_a_withdrawn_question_is_not_begun(store):
    asked = store.ask("before", {})
    store.withdraw(asked.id)
    assert store.start_inspection(asked.id) is None


def test_an_end_is_final(store):
    asked = answered(store, {}, 1)
    assert store.start_inspection(asked) is None
    store.finish_inspection(asked, error="its process was killed")
    assert store.inspection(asked).answer == 1


def test_the_table_is_bounded_and_what_waits_stays(store, monkeypatch):
    monkeypatch.setattr(inspections, "MAX_KEPT", 3)
    waiting = store.ask("before", {"number": "first"})
    done = [answered(store, {"number": number}, number) for number in range(6)]
    assert [job.id for job in store.inspections()] == [waiting.id, *done[-3:]]


def test_what_ran_when_the_supervisor_died_is_queued_again(store):
    asked = store.ask("before", {})
    store.start_inspection(asked.id)
    assert store.requeue_inspections() == 1
    assert store.requeue_inspections() == 0
    assert [job.id for job in store.inspections("queued")] == [asked.id]


def test_many_askers_at_once_get_one_question(store):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(store.ask("before", {"same": True}).id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_an_unknown_kind_is_a_sentence_with_the_known_ones(tmp_path):
    with pytest.raises(inspection.InspectionError, match=r"'tea'; choose one of .*before"):
        inspection.answer("tea", {}, Settings(home=tmp_path))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (signal.SIGALRM, f"longer than {inspector.MAX_SECONDS} s"),
        (signal.SIGKILL, "killed by SIGKILL"),
        (1 << 8, "ended with code 1"),
    ],
)
def test_a_process_without_an_answer_says_why(status, words):
    child = Child(1, job="inspection", status=int(status))
    assert words in inspector.unanswered(child.code, child.reason)


def test_a_greedy_question_fails_by_itself(store, tmp_path, monkeypatch):
    monkeypatch.setattr(inspector, "MAX_MEMORY", 50_000_000)
    greedy = RunConfig.from_flat({"model": "cnn", "model.channels": 256, "batch_size": 1024, "device": "cpu"})
    asked = store.ask("before", question_of(greedy))
    build(RunConfig(), tmp_path)  # so that torch is there before the fork, as in the supervisor
    store.close()  # no connection may be open across a fork
    child = os.fork()
    if not child:
        os._exit(inspector.inspect_job(asked.id, Settings(home=tmp_path)))
    assert os.waitpid(child, 0)[1] == 0
    assert store.inspection(asked.id).status == "failed"
    assert "ran out of memory" in store.inspection(asked.id).message
