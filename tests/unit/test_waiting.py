"""Why a queued run waits: its place, about how long, and in what words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.config import RunConfig
from trainer.engine.datasplit import steps_per_epoch
from trainer.processes.waiting import Job, Turn, play, turns, waiting_for, waiting_sentence
from trainer.store import Store


@pytest.mark.parametrize(
    ("turn", "workers", "training", "supervisor", "sentence"),
    [
        (Turn(1, 9.6), 1, 1, "ready", "Waiting: the worker is busy; next in line, about 10 s."),
        (Turn(3, 40.2), 2, 2, "ready", "Waiting: both workers are busy; place 3, about 40 s."),
        (Turn(12, 3700.0), 4, 4, "ready", "Waiting: all 4 workers are busy; place 12, about 1 h 1 min."),
        (Turn(3, 94.0), 2, 2, "ready", "Waiting: both workers are busy; place 3, about 90 s."),
        (Turn(3, 170.0), 2, 2, "ready", "Waiting: both workers are busy; place 3, about 3 min."),
        (Turn(2, None), 2, 2, "ready", "Waiting: both workers are busy; place 2."),
        (Turn(1, 0.0), 2, 1, "ready", "Starting…"),
        (Turn(2, 5.0), 2, 1, "ready", "Waiting: both workers are busy; place 2, about 10 s."),
        (None, 2, 2, "ready", "Starting…"),
        (Turn(1, 0.0), 2, 0, "starting", "Warming up the trainer… the first run starts in a moment."),
        (
            Turn(1, 0.0),
            2,
            0,
            "absent",
            "Waiting: the trainer is not running yet; the run starts as soon as it does.",
        ),
    ],
)
def test_the_sentence(turn: Turn | None, workers: int, training: int, supervisor: str, sentence: str) -> None:
    assert waiting_sentence(turn, workers, training, supervisor) == sentence


def test_several_runs_of_one_person_are_one_text() -> None:
    turns = {7: Turn(6, 170.0), 5: Turn(2, 41.0), 6: Turn(4, None)}
    busy = (turns, 1, 1, "ready", None)
    assert waiting_for([5], *busy) == "Waiting: the worker is busy; place 2, about 40 s."
    assert (
        waiting_for([6, 5], *busy)
        == "Waiting: the worker is busy; place 2, about 40 s. 1 more of yours waits at place 4."
    )
    assert waiting_for([7, 6, 5], *busy) == (
        "Waiting: the worker is busy; place 2, about 40 s. 2 more of yours wait, the last at place 6, about 3 min."
    )
    assert waiting_for([99], *busy) == "Starting…"


def test_a_full_disk_is_the_first_reason() -> None:
    assert waiting_sentence(Turn(1, 0.0), 2, 0, "absent", 999_999).startswith(
        "Waiting: the disk is full; free some"
    )
    assert waiting_sentence(Turn(1, 0.0), 2, 0, "ready", 1_000_000) == "Starting…"


def jobs(*lengths: float, owner: str = "ann", first: int = 1) -> list[Job]:
    return [Job(first + index, owner, first + index, seconds) for index, seconds in enumerate(lengths)]


def starts(found: dict[int, Turn]) -> list[float | None]:
    return [turn.seconds for turn in found.values()]


def test_one_worker_takes_them_one_after_another() -> None:
    assert starts(play(jobs(10, 20, 30), jobs(5, first=9), 1, {})) == [5, 15, 35]


def test_two_workers_share_them() -> None:
    assert starts(play(jobs(10, 1, 1, 30), jobs(4, 6, first=9), 2, {})) == [4, 6, 7, 8]
    assert starts(play(jobs(10, 1, 1), jobs(4, first=9), 2, {})) == [0, 4, 5]


def test_a_short_queue_of_another_owner_goes_between() -> None:
    queued = [*jobs(1, 1, 1), *jobs(1, owner="bob", first=4)]
    found = play(queued, jobs(10, first=9), 1, {"ann": 1})
    assert [run_id for run_id, _ in sorted(found.items(), key=lambda one: one[1].place)] == [4, 1, 2, 3]


def test_what_comes_after_an_unknown_length_is_unknown() -> None:
    assert starts(play(jobs(math.inf, 1, 1), jobs(5, first=9), 1, {})) == [5, None, None]
    assert starts(play(jobs(1, 1), jobs(math.inf, first=9), 1, {})) == [None, None]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50)), max_size=12),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50)), max_size=4),
    st.integers(1, 4),
)
def test_everybody_gets_a_turn_and_no_worker_does_two_things(
    queued: Sequence[tuple[str, int]], running: Sequence[tuple[str, int]], workers: int
) -> None:
    waiting = [Job(index, owner, index, seconds) for index, (owner, seconds) in enumerate(queued)]
    busy = [Job(100 + index, owner, 0, seconds) for index, (owner, seconds) in enumerate(running)]
    found = play(waiting, busy[:workers], workers, {})
    assert [turn.place for turn in found.values()] == list(range(1, len(waiting) + 1))
    assert starts(found) == sorted(starts(found))
    for owner in "abc":
        mine = [run_id for run_id in found if waiting[run_id].owner == owner]
        assert mine == sorted(mine), "first come, first served"
    spans = [(0.0, job.seconds) for job in busy[:workers]]
    spans += [(turn.seconds, turn.seconds + waiting[run_id].seconds) for run_id, turn in found.items()]
    for start, _ in spans:
        assert sum(begin <= start < end for begin, end in spans) <= workers
        assert start == 0 or start in {end for _, end in spans}, "a worker was idle"


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'store.db'}")


def test_the_estimate_rests_on_what_running_runs_measure(store: Store) -> None:
    config = RunConfig.from_flat({"data": "two_moons", "epochs": 10})
    run = store.create_run(config, "ann", status="running")
    store.record(run, 1, progress={"step": 200, "total_steps": 1000, "steps_per_s": 20.0})
    first, second = (store.create_run(config, owner) for owner in ("bob", "bob"))
    steps = 10 * steps_per_epoch(config)
    assert turns(store.live(), 1) == {first: Turn(1, 40.0), second: Turn(2, 40.0 + steps / 20)}


def test_nothing_measured_is_no_estimate(store: Store) -> None:
    store.create_run(RunConfig(), "ann", status="running")
    run = store.create_run(RunConfig(), "bob")
    assert turns(store.live(), 1) == {run: Turn(1, None)}
    assert turns(store.live(), 2) == {run: Turn(1, 0.0)}


def test_a_resumed_run_has_only_its_rest_to_train_and_slow_motion_takes_its_time(store: Store) -> None:
    busy = store.create_run(RunConfig(), "ann", status="running")
    store.record(busy, 1, progress={"step": 0, "total_steps": 100, "steps_per_s": 100.0})
    slow = store.create_run(RunConfig(pace=2), "bob", status="running")
    store.record(slow, 1, progress={"step": 90, "total_steps": 100, "steps_per_s": 2.0})
    store.finish(slow, 1, "paused")
    store.resume(slow, by="bob")
    after = store.create_run({"written": "by another version"}, "bob")
    assert turns(store.live(), 1) == {slow: Turn(1, 1.0), after: Turn(2, 6.0)}
