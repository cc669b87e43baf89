"""Runs make room for others: nothing is lost by it, and nobody's newest run waits for strangers."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from lab import Lab, Outcome

from trainer.metrics.registry import columns
from trainer.processes.worker import YIELD
from trainer.store import Run

TIMES = 10


@pytest.fixture
def one_worker(tmp_path: Path):
    """A lab in which one run trains at a time, for turns as short as can be."""
    lab = Lab(tmp_path, workers=1, turn=0.1)
    yield lab
    lab.close()


def states_until(lab: Lab, run_id: int, condition) -> set[str]:
    """The states that a run is seen in until the condition holds."""
    seen = set()

    def holds() -> bool:
        seen.add(str(lab.store.run(run_id).status))
        return bool(condition())

    lab.until(holds)
    return seen


def make_room(lab: Lab, run_id: int) -> set[str]:
    """Tells a run's worker to make room, and waits until the next one trains; returns the states that it was in meanwhile."""
    reached = lab.store.last_step(run_id, "step")
    lab.until(lambda: lab.store.last_step(run_id, "step") > reached and lab.worker(run_id))
    before = lab.store.run(run_id).attempt
    os.kill(lab.worker(run_id), YIELD)
    return states_until(lab, run_id, lambda: lab.store.run(run_id).attempt > before)


def assert_undisturbed(lab: Lab, run_id: int, undisturbed: Outcome) -> Run:
    """The run is finished, with the numbers of one that nobody disturbed, and nothing tells that it was."""
    run = lab.end(run_id)
    assert run.status == "finished", run.error
    assert (run.error, run.traceback, run.notices) == (None, None, [])
    lab.assert_equal(run_id, undisturbed)
    return run


def test_a_run_that_makes_room_ten_times_equals_its_undisturbed_twin(
    sqlite_lab: Lab, undisturbed: Outcome
) -> None:
    lab, seen = sqlite_lab, set()
    lab.start()
    began = time.monotonic()
    run_id = lab.create(pace=100)
    for _ in range(TIMES):
        seen |= make_room(lab, run_id)
    assert seen <= {"queued", "running"}, "making room is no interruption"
    run = assert_undisturbed(lab, run_id, undisturbed)
    assert run.attempt == TIMES + 1
    seconds = lab.store.read_points(run_id, "step").array[:, columns("step").index("seconds")]
    assert np.all(np.diff(seconds) > 0), "the clock of the run goes on where it stopped"
    assert seconds[-1] < time.monotonic() - began, "the seconds in which others trained do not count"
    assert run.results["seconds"] == pytest.approx(seconds[-1], rel=0.5)


def test_two_people_take_turns_where_one_run_fits(one_worker: Lab, undisturbed: Outcome) -> None:
    lab = one_worker
    lab.start()
    runs = [lab.create(owner=owner, pace=150) for owner in ("ada", "bob")]
    for run_id in runs:
        assert assert_undisturbed(lab, run_id, undisturbed).attempt >= 2
    assert "makes room" in lab.log()


def test_the_newest_of_a_person_starts_although_their_others_fill_all_workers(sqlite_lab: Lab) -> None:
    lab = sqlite_lab
    lab.start()
    older = [lab.create(epochs=1000) for _ in range(2)]
    for run_id in older:
        lab.past(run_id, 1)
    newest = lab.create(epochs=2, pace=0)
    assert lab.end(newest).status == "finished"
    moved = [lab.store.run(run_id) for run_id in older]
    assert {str(run.status) for run in moved} <= {"queued", "running"}
    assert max(run.attempt for run in moved) >= 1
    lab.until(lambda: all(lab.store.run(run_id).status == "running" for run_id in older))
    for run_id in older:
        lab.store.request(run_id, "stop", by="ada")
        assert lab.end(run_id).status == "stopped"


def test_by_default_everybody_trains_at_once(tmp_path: Path, undisturbed: Outcome) -> None:
    lab = Lab(tmp_path)
    lab.default_workers = True
    lab.start()
    runs = [lab.create(owner=f"person {number}", pace=60) for number in range(6)]
    lab.until(lambda: all(lab.store.last_step(run_id, "step") > 0 for run_id in runs))
    assert {str(lab.store.run(run_id).status) for run_id in runs} == {"running"}
    assert lab.store.run(runs[0]).attempt == 1
    assert_undisturbed(lab, runs[0], undisturbed)
    lab.close()


def test_what_does_not_fit_in_memory_takes_turns(tmp_path: Path) -> None:
    """Three people, where two runs fit at most: nobody's has to wait until another has ended."""
    lab = Lab(tmp_path, turn=0.1)
    lab.default_workers = True
    lab.start(program=Path(__file__).with_name("short_of_memory.py"))
    runs = [lab.create(owner=f"person {number}", epochs=12, pace=60) for number in range(3)]
    seen = states_until(lab, runs[0], lab.store.is_full)
    lab.until(lambda: all(lab.store.last_step(run_id, "step") > 0 for run_id in runs))
    assert seen <= {"queued", "running"}
    assert not any(lab.store.run(run_id).is_over for run_id in runs)
    for run_id in runs:
        assert (lab.end(run_id).status, lab.store.run(run_id).error) == ("finished", None)
    assert max(lab.store.run(run_id).attempt for run_id in runs) > 1
    lab.until(lambda: not lab.store.is_full())
    lab.close()


def test_a_stop_while_a_run_makes_room_stops_it(one_worker: Lab) -> None:
    lab = one_worker
    lab.start()
    runs = [lab.create(owner=owner, epochs=1000) for owner in ("ada", "bob")]
    lab.until(lambda: min(lab.store.run(run_id).attempt for run_id in runs) >= 2)
    for run_id in runs:
        lab.store.request(run_id, "stop", by=lab.store.run(run_id).owner)
    for run_id in runs:
        assert lab.end(run_id).status == "stopped"
