"""Who trains, who makes room, and how nice and how large workers are."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.comparison.analysis import planned
from trainer.comparison.design import make_design
from trainer.config import RunConfig
from trainer.processes.sharing import memory, niceness
from trainer.processes.sharing.memory import Memory, held_memory, kind_of
from trainer.processes.sharing.niceness import Usage, cpu_seconds, make_nicer
from trainer.processes.sharing.policy import MIN_TURN, InTraining, is_due, next_start, who_leaves
from trainer.settings import MEGABYTE, memory_limits, usable_memory
from trainer.store import Store
from trainer.store.queue import QueuedRun

LONG = 1_000.0


def queued(run_id: int, owner: str, comparison: int | None = None) -> QueuedRun:
    return QueuedRun(run_id, owner, run_id, comparison, run_id)


def training(run_id: int, owner: str, trained: float | None = LONG, **more) -> InTraining:
    return InTraining(run_id, owner, run_id, trained=trained, turn=15.0, **more)


def start(newest: Sequence[QueuedRun], first: Sequence[QueuedRun], busy: Sequence[InTraining]) -> int | None:
    run = next_start(newest, first, busy, 2, {})
    return None if run is None else run.id


def test_the_newest_of_everybody_starts_at_once_however_many_train() -> None:
    busy = [training(number, f"person {number}") for number in range(40)]
    run = queued(50, "ann")
    assert start([run], [run], busy) == 50


def test_further_runs_wait_for_a_core() -> None:
    further = queued(1, "ann")
    assert start([further], [further], [training(2, "ann")]) == 1
    assert start([further], [further], [training(2, "ann"), training(3, "bob")]) is None


def test_whoever_presses_start_again_is_first_when_the_one_before_had_its_shortest_turn() -> None:
    again = queued(9, "ann")
    assert not is_due(again, [training(5, "ann", None)], 2)
    assert not is_due(again, [training(5, "ann", MIN_TURN / 2)], 2)
    assert is_due(again, [training(5, "ann", MIN_TURN)], 2)
    crowd = [training(number, "ann", leaving=number < 5) for number in range(3, 6)]
    assert not is_due(again, crowd, 2), "pressing faster than runs can leave does not pile up processes"


def test_the_runs_of_a_comparison_are_one_start() -> None:
    busy = [training(5, "ann", comparison=7)]
    assert not is_due(queued(9, "ann", comparison=7), busy, 2)
    assert is_due(queued(9, "ann", comparison=8), busy, 2)


def test_of_a_comparison_the_first_in_line_is_the_newest(tmp_path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    older = store.create_run(RunConfig(), "ann")
    design = make_design({"one": RunConfig(), "other": RunConfig(epochs=2)}, [1, 2])
    comparison = store.create_comparison(design.model_dump(mode="json"), planned(design, range(2)), "ann")
    runs = [store.run(one.run.id) for one in store.members(comparison)]
    first, last = min(runs, key=lambda run: run.place), max(runs, key=lambda run: run.place)
    assert store.newest_in_line() == [QueuedRun(first.id, "ann", first.place, comparison, last.place)]
    assert [run.id for run in store.first_in_line()] == [older]
    assert [run.id for run in store.newest_in_line([run.id for run in runs])] == [older]


def test_a_trial_of_a_search_never_comes_before_a_run_started_by_hand() -> None:
    assert not is_due(replace_launch(queued(9, "ann"), 0), [training(5, "ann")], 2)
    assert is_due(queued(9, "ann"), [InTraining(5, "ann", 0, 7, LONG, 15.0)], 2)


def replace_launch(run: QueuedRun, launch: int) -> QueuedRun:
    return run._replace(launch=launch)


def test_further_runs_make_room_for_the_newest_of_others() -> None:
    busy = [training(1, "ann"), training(2, "ann"), training(3, "bob")]
    assert who_leaves([], [], busy, 2) == [1]
    assert who_leaves([], [], busy, 3) == []
    young = [replace(busy[0], trained=MIN_TURN / 2), *busy[1:]]
    assert who_leaves([], [], young, 2) == [], "it has its shortest turn first"
    assert who_leaves([], [], [replace(busy[0], leaving=True), *busy[1:]], 2) == [], "one is enough"


def test_where_not_all_fit_they_take_turns() -> None:
    waiting = [queued(8, "cid"), queued(9, "dan")]
    fresh = [training(1, "ann", 14.0), training(2, "bob", 3.0)]
    assert who_leaves(waiting, waiting, fresh, 2) == []
    over = [training(1, "ann", 16.0), training(2, "bob", 20.0)]
    assert who_leaves(waiting[:1], waiting, over, 2) == [2], "who has trained longest"
    assert sorted(who_leaves(waiting, waiting, over, 2)) == [1, 2]
    assert who_leaves(waiting[:1], waiting, [*over, training(3, "eve", leaving=True)], 2) == []


def test_data_that_take_long_to_prepare_make_a_longer_turn() -> None:
    slow = replace(training(1, "ann", 20.0), turn=60.0)
    assert who_leaves([queued(9, "bob")], [], [slow], 1) == []


def test_the_newest_replaces_an_older_run_of_the_same_person_where_there_is_no_room() -> None:
    busy = [training(1, "ann", 3.0), training(2, "bob", LONG)]
    assert who_leaves([queued(9, "ann")], [], busy, 2) == [1]


def test_a_core_that_is_left_goes_round() -> None:
    busy = [training(1, "ann", 16.0), training(2, "ann", 16.0), training(3, "bob", 16.0)]
    assert who_leaves([], [queued(8, "bob")], busy, 3) == [1]
    assert who_leaves([], [queued(8, "ann")], busy, 3) == [], "nobody makes room for themselves"
    assert who_leaves([], [queued(8, "bob")], [replace(one, trained=9.0) for one in busy], 3) == []


@given(
    st.lists(st.sampled_from("abcd"), max_size=12),
    st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.floats(0, 60), st.booleans()), max_size=8),
    st.integers(1, 4),
)
def test_nobody_is_left_out_and_nobody_leaves_in_vain(line, busy, cores: int) -> None:
    runs = [queued(100 + number, owner) for number, owner in enumerate(line)]
    trains = [
        training(number, owner, trained, leaving=leaving)
        for number, (owner, trained, leaving) in enumerate(busy)
    ]
    newest, first = {run.owner: run for run in runs}, {run.owner: run for run in reversed(runs)}
    chosen = next_start(newest.values(), first.values(), trains, cores, {})
    idle = [owner for owner in newest if owner not in [one.owner for one in trains]]
    assert not idle or chosen.owner in idle or is_due(chosen, trains, cores)
    assert chosen is not None or not idle
    waiting = [run for run in newest.values() if is_due(run, trains, cores)]
    leaves = who_leaves(waiting, list(first.values()), trains, cores)
    assert len(set(leaves)) == len(leaves)
    for one in trains:
        if one.run_id in leaves:
            assert one.has_had(MIN_TURN)
            assert not one.leaving


def test_who_had_more_is_nicer(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = {1: 0.0, 2: 0.0}
    monkeypatch.setattr(niceness, "cpu_seconds", spent.__getitem__)
    usage = Usage()
    assert usage.niceness("ann") == usage.niceness("bob") == 10
    spent[1] = 50.0
    usage.measure({1: "ann", 2: "bob"})
    assert usage.niceness("ann") > usage.niceness("bob")
    usage._measured -= 20 * niceness.HALF_LIFE
    usage.measure({2: "bob"})
    assert usage.niceness("ann") == 10, "what was long ago counts no more"


def test_a_process_is_only_made_nicer() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        before = os.getpriority(os.PRIO_PROCESS, child.pid)
        make_nicer(child.pid, before + 3)
        make_nicer(child.pid, before)
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == before + 3
        assert cpu_seconds(os.getpid()) > 0
    finally:
        child.kill()
        child.wait()
    make_nicer(child.pid, 19)
    assert cpu_seconds(child.pid) == 0, "a process that has ended is no error"
    assert held_memory(child.pid) is None


def test_what_a_fork_holds_is_measured_without_what_it_shares() -> None:
    shared, own = bytearray(os.urandom(1)) * 60_000_000, 30_000_000
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            mine = bytearray(b"x") * own
            os.write(tell, mine[:1])
            os.read(ready, 0)
            import signal

            signal.pause()
        finally:
            os._exit(0)
    try:
        os.read(ready, 1)
        held = held_memory(child)
        assert held is not None
        assert own <= held < len(shared)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_a_run_needs_what_one_of_its_kind_has_held(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {1: 100 * MEGABYTE, 2: 900 * MEGABYTE}
    monkeypatch.setattr(memory, "held_memory", held.get)
    monkeypatch.setattr(memory, "free_memory", lambda: 2_000 * MEGABYTE)
    found = Memory()
    found.reserve = 200 * MEGABYTE
    assert found.needed("small") == memory.FIRST
    kinds = {1: "small", 2: "large"}
    for _ in range(2):
        found.measure_next(kinds)
    assert found.needed("small") == held[1]
    assert found.needed("large") == held[2]
    assert found.needed("other") == (held[1] + held[2]) / 2
    assert found.room(kinds) == 1_800 * MEGABYTE
    assert found.room({**kinds, 3: "large"}) == 900 * MEGABYTE, "room for what one that begins will take"
    assert found.largest() == 2
    assert not found.is_short
    monkeypatch.setattr(memory, "free_memory", lambda: 99 * MEGABYTE)
    assert found.is_short


def test_what_does_not_decide_the_size_is_no_other_kind() -> None:
    config = {"data": "moons", "model": {"name": "mlp"}, "batch_size": 32, "seed": 1}
    assert kind_of(config) == kind_of({**config, "seed": 2, "learning_rate": 1})
    assert kind_of(config) != kind_of({**config, "batch_size": 64})


def test_the_limits_of_memory_are_those_of_the_control_groups(tmp_path, monkeypatch) -> None:
    (tmp_path / "memory.max").write_text("1000000000")
    (tmp_path / "memory.current").write_text("700000000")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 200000000\n")
    monkeypatch.setattr("trainer.settings.CGROUPS", tmp_path)
    monkeypatch.setattr("trainer.settings.OWN_CGROUP", tmp_path / "none")
    assert memory_limits() == [(1_000_000_000, 500_000_000)]
    assert usable_memory() == 1_000_000_000
    assert memory.free_memory() <= 500_000_000


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "aarch64"), reason="the system call's number is not known here"
)
def test_long_slices_leave_the_niceness_as_it_is():
    """In a process of its own: they cannot be given back."""
    program = (
        "import os; from trainer.processes.sharing.niceness import take_long_slices; os.nice(3); take_long_slices(); "
        "print(os.sched_getscheduler(0) == os.SCHED_BATCH, os.nice(0))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True 3\n"
