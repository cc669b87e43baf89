"""Why a queued run waits: its place, about how long, and in what words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.config import RunConfig
from trainer.engine.datasplit import steps_per_epoch
from trainer.processes.waiting import (
    Job,
    Sharing,
    Turn,
    play,
    sharing_of,
    turns,
    waiting_for,
    waiting_sentence,
)
from trainer.settings import Settings
from trainer.store import Store


def workers(count: int) -> Sharing:
    """So many train at once and no more, each to its end."""
    return Sharing(count, count, asked=True)


BY_DEFAULT = Sharing(2, 64, 15.0)


@pytest.mark.parametrize(
    ("turn", "sharing", "supervisor", "sentence"),
    [
        (Turn(1, 9.6), workers(1), "ready", "Waiting: the worker is busy; next in line, about 10 s."),
        (Turn(3, 40.2), workers(2), "ready", "Waiting: both workers are busy; place 3, about 40 s."),
        (
            Turn(12, 3700.0),
            workers(4),
            "ready",
            "Waiting: all 4 workers are busy; place 12, about 1 h 1 min.",
        ),
        (Turn(3, 94.0), BY_DEFAULT, "ready", "Waiting: both cores are busy; place 3, about 90 s."),
        (Turn(3, 170.0), BY_DEFAULT, "ready", "Waiting: both cores are busy; place 3, about 3 min."),
        (
            Turn(3, 41.0, leads=True),
            BY_DEFAULT,
            "ready",
            "Waiting: the memory is full, so runs take turns; place 3, about 40 s.",
        ),
        (
            Turn(1, 12.0, leads=True, begun=True),
            workers(2),
            "ready",
            "Taking turns: both workers are busy, so runs take turns; next in line, about 10 s.",
        ),
        (Turn(2, None), BY_DEFAULT, "ready", "Waiting: both cores are busy; place 2."),
        (Turn(3, 0.0, leads=True), BY_DEFAULT, "ready", "Starting…"),
        (None, BY_DEFAULT, "ready", "Starting…"),
        (
            Turn(1, 0.0),
            BY_DEFAULT,
            "starting",
            "Warming up the trainer… the first run starts in a moment.",
        ),
        (
            Turn(1, 0.0),
            BY_DEFAULT,
            "absent",
            "Waiting: the trainer is not running yet; the run starts as soon as it does.",
        ),
    ],
)
def test_the_sentence(turn: Turn | None, sharing: Sharing, supervisor: str, sentence: str) -> None:
    assert waiting_sentence(turn, sharing, supervisor) == sentence


def test_several_runs_of_one_person_are_one_text() -> None:
    turns = {7: Turn(6, 170.0), 5: Turn(2, 41.0), 6: Turn(4, None)}
    busy = (turns, workers(1), "ready", None)
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
    assert waiting_sentence(Turn(1, 0.0), BY_DEFAULT, "absent", 999_999).startswith(
        "Waiting: the disk is full; free some"
    )
    assert waiting_sentence(Turn(1, 0.0), BY_DEFAULT, "ready", 1_000_000) == "Starting…"


def test_what_runs_share_follows_from_the_settings_and_the_supervisor(tmp_path) -> None:
    asked = Settings(home=tmp_path, max_workers=3)
    assert sharing_of(asked, full=False, training=1) == Sharing(3, 3, 15.0, asked=True)
    default = Settings(home=tmp_path)
    many = sharing_of(default, full=False, training=9)
    assert many.cores == default.max_workers < many.most
    assert sharing_of(default, full=True, training=9).most == 9


def jobs(*lengths: float, owner: str = "ann", first: int = 1) -> list[Job]:
    return [Job(first + index, owner, first + index, seconds) for index, seconds in enumerate(lengths)]


def starts(found: dict[int, Turn]) -> list[float | None]:
    return [turn.seconds for turn in found.values()]


def test_one_worker_takes_what_was_started_last_and_then_one_after_another() -> None:
    found = play(jobs(10, 20, 30, first=10), jobs(5, first=9, owner="bob"), workers(1), {})
    assert {run_id: turn.seconds for run_id, turn in found.items()} == {12: 5, 10: 35, 11: 45}


def test_two_workers_share_them() -> None:
    assert starts(play(jobs(10, 1, 1, 30), jobs(4, 6, first=9), workers(2), {})) == [4, 6, 7, 8]
    assert starts(play(jobs(10, 1, 1), jobs(4, first=9), workers(2), {})) == [0, 4, 5]


def test_the_newest_of_everybody_starts_at_once_and_all_share_the_cores() -> None:
    queued = [Job(number, f"person {number}", number, 10.0) for number in range(10)]
    found = play(queued, [], BY_DEFAULT, {})
    assert starts(found) == [0.0] * 10
    assert all(turn.leads for turn in found.values())
    found = play([*queued, Job(10, "person 1", 10, 5.0)], [], BY_DEFAULT, {})
    assert found[10] == Turn(10, 0.0, leads=True), "the newest of person 1"
    assert found[1].seconds == pytest.approx(25.0), "it starts when hers, at a fifth of a core, is done"


def test_where_not_all_fit_nobody_waits_longer_than_the_turns_of_others() -> None:
    sharing = Sharing(2, 2, turn=15.0)
    busy = [Job(number, f"busy {number}", number, math.inf) for number in range(2)]
    found = play([Job(5, "ann", 5, 100.0), Job(6, "bob", 6, 4.0)], busy, sharing, {})
    assert found == {5: Turn(1, 15.0, leads=True), 6: Turn(2, 15.0, leads=True)}


def test_a_short_queue_of_another_owner_goes_between() -> None:
    queued = [*jobs(1, 1, 1), *jobs(1, owner="bob", first=4)]
    found = play(queued, jobs(10, first=9), workers(1), {"ann": 1})
    assert [run_id for run_id, _ in sorted(found.items(), key=lambda one: one[1].place)] == [4, 1, 2, 3]


def test_what_comes_after_an_unknown_length_is_unknown() -> None:
    assert starts(play(jobs(math.inf, 1, 1), jobs(5, first=9), workers(1), {})) == [5, None, None]
    assert starts(play(jobs(1, 1), jobs(math.inf, first=9), workers(1), {})) == [None, None]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50)), max_size=12),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50)), max_size=4),
    st.integers(1, 4),
)
def test_everybody_gets_a_turn_and_no_worker_does_two_things(
    queued: Sequence[tuple[str, int]], running: Sequence[tuple[str, int]], count: int
) -> None:
    waiting = [Job(index, owner, index, seconds) for index, (owner, seconds) in enumerate(queued)]
    busy = [Job(100 + index, owner, 100 + index, seconds) for index, (owner, seconds) in enumerate(running)]
    found = play(waiting, busy[:count], workers(count), {})
    assert [turn.place for turn in found.values()] == list(range(1, len(waiting) + 1))
    assert starts(found) == sorted(starts(found))
    for owner in "abc":
        mine = [run_id for run_id in found if waiting[run_id].owner == owner]
        rest = mine[1:] if mine and mine[0] == max(mine) else mine
        assert rest == sorted(rest), "first come, first served, after what was started last"
    spans = [(0.0, job.seconds) for job in busy[:count]]
    spans += [(turn.seconds, turn.seconds + waiting[run_id].seconds) for run_id, turn in found.items()]
    for start, _ in spans:
        assert sum(begin <= start < end for begin, end in spans) <= count
        assert start == 0 or start in {end for _, end in spans}, "a worker was idle"


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50)), max_size=12),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50)), max_size=4),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_with_turns_everybody_starts_and_nobody_before_there_is_room(
    queued: Sequence[tuple[str, int]], running: Sequence[tuple[str, int]], most: int, cores: int
) -> None:
    waiting = [Job(index, owner, index, seconds) for index, (owner, seconds) in enumerate(queued)]
    busy = [Job(100 + index, owner, 100 + index, seconds) for index, (owner, seconds) in enumerate(running)]
    found = play(waiting, busy[:most], Sharing(min(cores, most), most, 15.0), {})
    assert sorted(found) == [job.id for job in waiting]
    assert None not in starts(found)
    assert starts(found) == sorted(starts(found))
    assert sum(seconds == 0 for seconds in starts(found)) <= max(0, most - len(busy[:most]))


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'store.db'}")


def test_the_estimate_rests_on_what_running_runs_measure(store: Store) -> None:
    config = RunConfig.from_flat({"data": "two_moons", "epochs": 10})
    run = store.create_run(config, "ann", status="running")
    store.record(run, 1, progress={"step": 200, "total_steps": 1000, "steps_per_s": 20.0})
    first, second = (store.create_run(config, owner) for owner in ("bob", "bob"))
    steps = 10 * steps_per_epoch(config)
    found = turns(store.live(), workers(1))
    assert found == {second: Turn(1, 40.0, True), first: Turn(2, 40.0 + steps / 20, True)}


def test_nothing_measured_is_no_estimate(store: Store) -> None:
    store.create_run(RunConfig(), "ann", status="running")
    run = store.create_run(RunConfig(), "bob")
    assert turns(store.live(), workers(1)) == {run: Turn(1, None)}, "nobody makes room"
    assert turns(store.live(), workers(2)) == {run: Turn(1, 0.0, leads=True)}


def test_a_resumed_run_has_only_its_rest_to_train_and_slow_motion_takes_its_time(store: Store) -> None:
    busy = store.create_run(RunConfig(), "ann", status="running")
    store.record(busy, 1, progress={"step": 0, "total_steps": 100, "steps_per_s": 100.0})
    slow = store.create_run(RunConfig(pace=2), "bob", status="running")
    store.record(slow, 1, progress={"step": 90, "total_steps": 100, "steps_per_s": 2.0})
    store.finish(slow, 1, "paused")
    store.resume(slow, by="bob")
    after = store.create_run({"written": "by another version"}, "bob")
    slow_turn = Turn(2, 6.0, leads=True, begun=True)
    assert turns(store.live(), workers(1)) == {after: Turn(1, 1.0, leads=True), slow: slow_turn}
