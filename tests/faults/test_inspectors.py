"""Questions and the supervisor: answered beside training, and no question harms it or the questions after."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
from lab import Lab
from waiting import PATIENCE

from trainer.config import RunConfig
from trainer.preflight.dry_run import question_of
from trainer.store import Inspection

SLOW = {
    "model.layers": "-".join(["4096"] * 5),
    "batch_size": 8192,
    "data": "two_moons",
    "data.samples": 100_000,
}


def question(**values) -> dict:
    return question_of(RunConfig.from_flat(values))


def over(lab: Lab, inspection_id: int) -> Inspection:
    lab.until(lambda: lab.store.inspection(inspection_id).is_over)
    return lab.store.inspection(inspection_id)


def begun(lab: Lab, **values) -> int:
    """Ask something that takes long, and wait until a process is at it."""
    asked = lab.store.ask("before", question(**SLOW, **values)).id
    lab.until(lambda: lab.store.inspection(asked).status == "running")
    return asked


def inspectors(lab: Lab) -> list[int]:
    """Process ids of the supervisor's children; only questions are at work in the tests that ask."""
    children = [child.pid for process in lab.supervisors for child in _children(process.pid)]
    return [pid for pid in children if Path(f"/proc/{pid}").exists()]


def _children(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children()
    return []


def test_a_question_is_answered_while_all_workers_train(lab: Lab) -> None:
    lab.start()
    runs = [lab.create(pace=0, epochs=100_000) for _ in range(2)]
    for run_id in runs:
        lab.past(run_id, 10)
    found = over(lab, lab.store.ask("before", question()).id)
    assert found.status == "finished", found.message
    assert [one["layer"] for one in found.answer["activations"]] == [
        "hidden1.linear",
        "hidden2.linear",
        "output",
    ]
    assert [lab.store.run(run_id).status for run_id in runs] == ["running"] * 2


def test_an_impossible_question_fails_with_a_sentence(sqlite_lab: Lab) -> None:
    lab = sqlite_lab
    lab.start()
    missing = over(lab, lab.store.ask("before", question(data="mnist")).id)
    assert missing.status == "failed"
    assert "mnist" in missing.message.lower()
    assert "no inspection called 'tea'" in over(lab, lab.store.ask("tea", {}).id).message
    assert over(lab, lab.store.ask("before", {"config": {"seed": -1}}).id).message.startswith("seed is -1")
    assert over(lab, lab.store.ask("before", question()).id).status == "finished"


def test_a_killed_process_is_said_and_the_next_question_answered(lab: Lab) -> None:
    lab.start()
    asked = begun(lab)
    os.kill(inspectors(lab)[0], signal.SIGKILL)
    assert "killed by SIGKILL" in over(lab, asked).message
    assert over(lab, lab.store.ask("before", question()).id).status == "finished"


def test_one_that_takes_too_long_is_ended_and_said(sqlite_lab: Lab) -> None:
    lab = sqlite_lab
    lab.start()
    asked = begun(lab)
    os.kill(inspectors(lab)[0], signal.SIGALRM)  # what the kernel does when its time is up
    assert "longer than 20 s" in over(lab, asked).message


def test_a_withdrawn_question_makes_room(sqlite_lab: Lab) -> None:
    lab = sqlite_lab
    lab.start()
    first, second = begun(lab, seed=1), begun(lab, seed=2)
    assert len(inspectors(lab)) == 2
    waiting = lab.store.ask("before", question())
    newest = lab.store.ask("before", question(seed=3), instead_of=first)
    assert over(lab, waiting.id).status == "finished"
    assert over(lab, newest.id).status == "finished"
    lab.store.withdraw(second)
    lab.until(lambda: not inspectors(lab))
    assert {job.id for job in lab.store.inspections()} == {waiting.id, newest.id}


def test_a_new_supervisor_takes_up_what_the_last_one_left(lab: Lab) -> None:
    first = lab.start()
    asked = begun(lab)
    orphan = inspectors(lab)[0]
    first.kill()
    first.wait()
    os.kill(orphan, signal.SIGKILL)
    assert lab.store.inspection(asked).status == "running"
    waiting = lab.store.ask("before", question())
    lab.store.withdraw(lab.store.ask("before", question(seed=9)).id)
    lab.start()
    assert over(lab, waiting.id).status == "finished"
    lab.until(lambda: lab.store.inspection(asked).status == "running")
    assert lab.store.ask("before", question(seed=1), instead_of=asked).status == "queued"
    lab.until(lambda: not inspectors(lab))


def test_a_stop_in_the_middle_leaves_the_question_to_the_next_start(lab: Lab) -> None:
    first = lab.start()
    asked = begun(lab)
    first.send_signal(signal.SIGTERM)
    assert first.wait(PATIENCE) == 0
    assert lab.store.inspection(asked).status == "running"
    lab.start()
    lab.until(lambda: lab.store.inspection(asked).status in ("running", "finished"))
    lab.store.withdraw(asked)
    lab.until(lambda: not inspectors(lab))
