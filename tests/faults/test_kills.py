"""Kill anything at any time: nothing that was committed is lost, and the run ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import time

import numpy as np
from lab import Lab, Outcome
from waiting import PATIENCE

from trainer.store import COMMAND_LINE

KILLS = 30


def committed_past(lab: Lab, run_id: int, step: int) -> None:
    """Wait until the run has got further than this, or is over."""
    lab.until(lambda: lab.store.last_step(run_id, "step") > step or lab.store.run(run_id).is_over)


def replaced(lab: Lab, run_id: int, attempt: int) -> None:
    """Wait until a later attempt has the run, or it is over."""
    lab.until(lambda: lab.store.run(run_id).attempt > attempt or lab.store.run(run_id).is_over)


def test_thirty_kills_of_workers_at_random_moments(sqlite_lab: Lab, undisturbed: Outcome) -> None:
    lab, chance, kills = sqlite_lab, random.Random(5), 0
    lab.start()
    expected = undisturbed.curves["step"]
    while kills < KILLS:
        run_id = lab.create()
        futile, reached = 0, 0
        while not lab.store.run(run_id).is_over and kills < KILLS:
            time.sleep(chance.uniform(0.0, 1.6))  # part of the fault: nothing is waited for
            if futile == 2:  # a third loss without progress would rightly fail the run
                committed_past(lab, run_id, reached)
            attempt = lab.store.run(run_id).attempt
            if not lab.kill_worker(run_id):
                continue
            kills += 1
            replaced(lab, run_id, attempt)
            committed = lab.curves(run_id)["step"]
            assert committed.tobytes() == expected[: len(committed)].tobytes()
            futile = 0 if len(committed) > reached else futile + 1
            reached = max(reached, len(committed))
        assert lab.end(run_id).status == "finished", lab.store.run(run_id).error
        lab.assert_equal(run_id, undisturbed)


def test_kill_of_the_supervisor(lab: Lab, undisturbed: Outcome) -> None:
    first = lab.start()
    run_id, waiting = lab.create(), [lab.create(owner="bob", epochs=2) for _ in range(3)]
    lab.past(run_id, 350)
    first.kill()
    first.wait()
    lab.until(lambda: lab.worker(run_id) is None)  # the worker notices, saves and leaves by itself
    assert lab.store.run(run_id).status == "interrupted"
    lab.start()
    assert lab.end(run_id).status == "finished"
    lab.assert_equal(run_id, undisturbed)
    assert [lab.end(each).status for each in waiting] == ["finished"] * 3


def test_kill_of_supervisor_and_worker_together(lab: Lab, undisturbed: Outcome) -> None:
    first = lab.start()
    run_id = lab.create()
    lab.past(run_id, 400)
    first.kill()
    assert lab.kill_worker(run_id)
    first.wait()
    assert lab.store.run(run_id).status == "running"
    lab.start()
    assert lab.end(run_id).status == "finished"
    lab.assert_equal(run_id, undisturbed)


def test_an_orphan_and_its_successor_never_train_together(lab: Lab, undisturbed: Outcome) -> None:
    first = lab.start()
    run_id = lab.create()
    lab.past(run_id, 200)
    orphan = lab.worker(run_id)
    os.kill(orphan, signal.SIGSTOP)
    first.kill()
    first.wait()
    lab.start()  # the orphan has not inherited the lock on the database
    other = lab.create(owner="bob", epochs=2)
    assert lab.end(other).status == "finished"
    assert lab.store.run(run_id).attempt == 1  # but it still holds its run
    os.kill(orphan, signal.SIGCONT)
    assert lab.end(run_id).status == "finished"
    assert lab.store.run(run_id).attempt == 2
    lab.assert_equal(run_id, undisturbed)


def test_graceful_stop_queues_the_runs_again(lab: Lab, undisturbed: Outcome) -> None:
    first = lab.start()
    run_id = lab.create()
    lab.past(run_id, 100)
    first.send_signal(signal.SIGTERM)
    assert first.wait(PATIENCE) == 0
    assert lab.store.run(run_id).status == "queued"
    assert lab.worker(run_id) is None
    assert lab.store.supervisor_status() == "absent"
    lab.start()
    assert lab.end(run_id).status == "finished"
    lab.assert_equal(run_id, undisturbed)


def test_a_killed_server_takes_its_supervisor_along_and_loses_nothing(lab: Lab, undisturbed: Outcome) -> None:
    server = lab.start_by_server()
    run_id = lab.create()
    lab.past(run_id, 100)
    server.kill()
    server.wait()
    lab.until(lambda: lab.store.supervisor_status() == "absent")
    assert lab.store.run(run_id).status == "queued"
    lab.start()
    assert lab.end(run_id).status == "finished"
    lab.assert_equal(run_id, undisturbed)


def test_one_supervisor_per_database(lab: Lab) -> None:
    lab.start()
    second = lab.start(wait=False)
    assert second.wait(PATIENCE) == 0
    assert "Another supervisor serves this database already" in lab.log()
    assert lab.store.supervisor_status() == "ready"


def test_pause_and_resume_is_exact(lab: Lab, undisturbed: Outcome) -> None:
    lab.start()
    run_id = lab.create()
    for step in (90, 431, 777):
        lab.past(run_id, step)
        lab.store.request(run_id, "pause", by=COMMAND_LINE)
        lab.until(lambda: lab.store.run(run_id).status == "paused")
        assert lab.store.resume(run_id, by=COMMAND_LINE) == "queued"
    assert lab.end(run_id).status == "finished"
    lab.assert_equal(run_id, undisturbed)


def test_stop_and_take_up_again(sqlite_lab: Lab, undisturbed: Outcome) -> None:
    lab = sqlite_lab
    lab.start()
    run_id = lab.create()
    lab.past(run_id, 200)
    lab.store.request(run_id, "stop", by=COMMAND_LINE)
    assert lab.end(run_id).status == "stopped"
    lab.store.resume(run_id, by=COMMAND_LINE)
    lab.until(lambda: lab.store.run(run_id).status == "finished")
    lab.assert_equal(run_id, undisturbed)


def test_a_hung_worker_is_replaced(sqlite_lab: Lab, undisturbed: Outcome) -> None:
    lab = sqlite_lab
    lab.start()
    run_id = lab.create()
    lab.past(run_id, 100)
    os.kill(lab.worker(run_id), signal.SIGSTOP)
    lab.until(lambda: lab.store.run(run_id).attempt == 2)
    assert lab.end(run_id).status == "finished"
    lab.assert_equal(run_id, undisturbed)


def test_a_crash_loop_ends_with_the_signal_named(sqlite_lab: Lab) -> None:
    lab = sqlite_lab
    lab.start()
    run_id = lab.create(pace=1)
    lab.until(lambda: lab.store.run(run_id).is_over or (lab.kill_worker(run_id) and False))
    run = lab.store.run(run_id)
    assert run.status == "failed"
    assert "3 times in a row" in run.error
    assert "SIGKILL" in run.error


def test_owners_take_turns(sqlite_lab: Lab) -> None:
    lab = sqlite_lab
    ada = [lab.create(owner="ada", epochs=5) for _ in range(6)]
    bob = lab.create(owner="bob", epochs=5)
    lab.start()
    for run_id in (*ada, bob):
        assert lab.end(run_id).status == "finished"
    began = {run_id: lab.store.run(run_id).started for run_id in (*ada, bob)}
    assert sorted(began, key=began.get).index(bob) <= 1
    assert np.all(np.diff([began[run_id].timestamp() for run_id in ada]) >= 0)
