"""Kill anything at any time: nothing that was committed is lost, and the run ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import time

import numpy as np
from lab import CONFIG, Lab, Outcome
from waiting import PATIENCE

from trainer.comparison.analysis import analyse, planned
from trainer.comparison.design import make_design
from trainer.config import RunConfig
from trainer.store import COMMAND_LINE
from trainer.store.knob_changes import add_changes

KILLS = 30

SLOW = 100
"""Steps a second of runs that something is asked of: seconds are left when the request arrives, on any machine."""


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


def test_kills_before_and_after_knobs_are_changed(lab: Lab) -> None:
    """Killed again and again, the run ends as one that nobody disturbed, with the same changes at the same steps."""
    supervisor = lab.start()
    run_id = lab.create(pace=SLOW)
    changes = [
        {"learning_rate": 0.01, "dropout.rate": 0.5},
        {"batch_size": 24, "optimizer.weight_decay": 0.1},
        {"schedule": "one_cycle", "clipping": "by_norm", "label_smoothing.amount": 0.2},
    ]
    for number, values in enumerate(changes):
        lab.past(run_id, 150 * (number + 1))
        attempt = lab.store.run(run_id).attempt
        lab.store.change_knobs(run_id, values, by=COMMAND_LINE)
        if number:
            lab.until(lambda changed=number: lab.store.run(run_id).changes > changed)
        assert lab.kill_worker(run_id)
        replaced(lab, run_id, attempt)
    assert lab.end(run_id).status == "finished", lab.store.run(run_id).error
    done = lab.store.knob_changes(run_id)
    assert [dict(one.values) | values for one, values in zip(done, changes, strict=True)] == [
        dict(one.values) for one in done
    ]
    supervisor.terminate()
    assert supervisor.wait(PATIENCE) == 0
    twin = lab.create(pace=0)
    with lab.store.writing() as connection:
        add_changes(connection, twin, "ada", done)
    lab.start()
    assert lab.end(twin).status == "finished", lab.store.run(twin).error
    lab.assert_equal(run_id, lab.outcome(twin))


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
    run_id = lab.create(pace=SLOW)
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
    run_id = lab.create(pace=SLOW)
    for step in (90, 301, 512):
        lab.past(run_id, step)
        lab.store.request(run_id, "pause", by=COMMAND_LINE)
        lab.until(lambda: lab.store.run(run_id).status == "paused")
        assert lab.store.resume(run_id, by=COMMAND_LINE) == "queued"
    assert lab.end(run_id).status == "finished"
    lab.assert_equal(run_id, undisturbed)


def test_kill_of_a_worker_that_trains_several_runs(sqlite_lab: Lab) -> None:
    """The seeds of an arm share two workers. One of the seeds is stopped, then its worker is killed: the other one ends as a
    run that trains by itself and that nobody disturbs, and so does the first when it is taken up again."""
    lab = sqlite_lab
    long = {"epochs": 90, "pace": 0}
    arms = {"ours": RunConfig.parse(CONFIG | long), "other": RunConfig.parse(CONFIG | {"epochs": 2})}
    design = make_design(arms, [4, 5, 3])
    comparison = lab.store.create_comparison(
        design.model_dump(mode="json"), [one for one in planned(design, range(3)) if one.arm == 0], "ada"
    )
    first, _, ours = (one.run.id for one in lab.store.members(comparison))
    lab.start()
    lab.past(ours, 100)
    worker = lab.worker(ours)
    # Stacked runs have no slow motion: the worker stands still until the request is there, and until it is killed.
    os.kill(worker, signal.SIGSTOP)
    lab.store.request(first, "stop", by=COMMAND_LINE)
    os.kill(worker, signal.SIGCONT)
    assert lab.end(first).status == "stopped"
    assert analyse(lab.store, comparison).method[-1].startswith("Up to 2 seeds of an arm trained together")
    os.kill(worker, signal.SIGSTOP)
    assert lab.store.run(ours).status == "running"
    assert lab.kill_worker(ours)
    assert lab.end(ours).status == "finished"
    assert lab.store.run(ours).attempt == 2
    alone = lab.create(**long)
    assert lab.end(alone).status == "finished"
    lab.assert_equal(ours, lab.outcome(alone))
    lab.store.resume(first, by=COMMAND_LINE)
    lab.until(lambda: lab.store.run(first).status == "finished")


def test_stop_and_take_up_again(sqlite_lab: Lab, undisturbed: Outcome) -> None:
    lab = sqlite_lab
    lab.start()
    run_id = lab.create(pace=SLOW)
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
    assert set(sorted(began, key=began.get)[:2]) == {ada[-1], bob}, "everybody's newest first"
    assert np.all(np.diff([began[run_id].timestamp() for run_id in ada[:-1]]) >= 0)
