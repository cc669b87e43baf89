"""The life of a run: whatever people, workers and the supervisor do to it, it follows the table of transitions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trainer.lifecycle.requests import Request, RequestKind
from trainer.lifecycle.states import TRANSITIONS, Event, RunState
from trainer.store import COMMAND_LINE, Store, StoreError, Superseded, attempts, runs

Call = Callable[[Store, int, int], object]  # with the run's id and its current attempt

CALLS: dict[str, Call] = {
    "claim": lambda store, run, attempt: store.claim(run),
    "record": lambda store, run, attempt: store.record(run, attempt),
    "stop": lambda store, run, attempt: store.request(run, RequestKind.STOP, by=COMMAND_LINE),
    "pause": lambda store, run, attempt: store.request(run, RequestKind.PAUSE, by=COMMAND_LINE),
    "resume": lambda store, run, attempt: store.resume(run, by=COMMAND_LINE),
    "lost": lambda store, run, attempt: store.lost(run, attempt, "killed."),
    "requeue": lambda store, run, attempt: store.requeue_interrupted(run),
    "handled": lambda store, run, attempt: store.record(run, attempt, handled=[Request(RequestKind.RESUME)]),
    "finished": lambda store, run, attempt: store.finish(run, attempt, RunState.FINISHED),
    "stopped": lambda store, run, attempt: store.finish(run, attempt, RunState.STOPPED),
    "failed": lambda store, run, attempt: store.finish(run, attempt, RunState.FAILED),
    "paused": lambda store, run, attempt: store.finish(run, attempt, RunState.PAUSED),
    "interrupted": lambda store, run, attempt: store.finish(run, attempt, RunState.INTERRUPTED),
    "made room": lambda store, run, attempt: store.finish(run, attempt, RunState.QUEUED),
}
LEGAL = {(state, event) for state, events in TRANSITIONS.items() for event in events}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")


def call(store: Store, run_id: int, name: str) -> object:
    """What the call returns, or the error that it raises."""
    try:
        return CALLS[name](store, run_id, store.run(run_id).attempt)
    except (StoreError, Superseded) as error:
        return error


@given(st.lists(st.sampled_from(sorted(CALLS)), max_size=20))
@example(["claim", "pause", "resume", "paused", "claim", "stop", "interrupted", "resume"])
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_calls_leaves_the_table(store: Store, names: list[str]) -> None:
    run_id = store.create_run({}, "ada")
    for name in names:
        before = store.run(run_id)
        result = call(store, run_id, name)
        after = store.run(run_id)
        if isinstance(result, Exception):
            assert str(result).endswith((".", "any more."))
            assert replace(after, version=before.version) == before, f"{name} failed, but changed the run"
        if isinstance(result, RunState):
            assert result is after.status
        assert after.status is before.status or after.status in TRANSITIONS[before.status].values(), name
        assert after.request is None or after.status is RunState.RUNNING
        assert (after.ended is not None) == after.is_over


def test_every_transition_can_be_reached(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Walks through all that can happen to a run, from its creation, and notes each move of the store."""
    moves = set()

    def move(connection, run, event, version, **values):
        state = original(connection, run, event, version, **values)
        moves.add((run.status, event))
        return state

    original = runs.move
    monkeypatch.setattr(runs, "move", move)
    monkeypatch.setattr(attempts, "move", move)
    seen, paths = set(), [[]]
    while paths:
        path = paths.pop(0)
        run_id, losses = store.create_run({}, "ada"), 0
        for name in path:
            call(store, run_id, name)
            losses += name == "lost"
        run = store.run(run_id)
        # Two runs alike in this have the same future, as far as the table is concerned.
        if (key := (run.status, run.request, losses * (run.status is RunState.QUEUED))) not in seen:
            seen.add(key)
            paths += [[*path, name] for name in CALLS]
    assert moves == LEGAL
    assert {state for state, _, _ in seen} == set(RunState)


@pytest.mark.parametrize(("state", "event"), sorted(set(product(RunState, Event)) - LEGAL))
def test_what_the_table_does_not_have_is_refused_with_a_sentence(store: Store, state, event) -> None:
    run = replace(store.run(store.create_run({}, "ada")), status=state)
    with (
        pytest.raises(StoreError, match=rf"^This run is {state} already; there is nothing to {event}\.$"),
        store.writing() as connection,
    ):
        runs.move(connection, run, event, run.version)
    assert store.run(run.id).status is RunState.QUEUED


def test_a_run_is_asked_only_for_what_people_may_ask(store: Store) -> None:
    run_id = store.create_run({}, "ada")
    for kind in (RequestKind.INTERRUPT, RequestKind.RESUME, "tea"):
        with pytest.raises(ValueError, match=str(kind)):
            store.request(run_id, kind, by=COMMAND_LINE)
    with pytest.raises(ValueError, match="running"):
        store.finish(run_id, 0, RunState.RUNNING)


def test_a_run_that_makes_room_keeps_its_place_and_loses_nothing(store: Store) -> None:
    run_id = store.create_run({}, "ada")
    before = store.run(run_id)
    for attempt in range(1, 11):
        assert store.claim(run_id) == attempt
        assert store.finish(run_id, attempt, RunState.QUEUED) is RunState.QUEUED
        with pytest.raises(Superseded):
            store.record(run_id, attempt)
    after = store.run(run_id)
    assert (after.place, after.ended, after.error, after.notices) == (before.place, None, None, [])
    assert store.lost(run_id, 10, "killed.") is RunState.QUEUED, "making room was counted as a loss"


@pytest.mark.parametrize("kind", [RequestKind.STOP, RequestKind.PAUSE])
def test_what_was_requested_comes_before_making_room(store: Store, kind: RequestKind) -> None:
    run_id = store.create_run({}, "ada")
    store.claim(run_id)
    store.request(run_id, kind, by="ada")
    ends = {RequestKind.STOP: RunState.STOPPED, RequestKind.PAUSE: RunState.PAUSED}
    assert store.finish(run_id, 1, RunState.QUEUED) is ends[kind]


def test_a_stored_word_of_an_older_version_is_read_as_its_member(store: Store) -> None:
    run_id = store.create_run({}, "ada")
    with store.writing() as connection:
        connection.exec_driver_sql(
            f"UPDATE runs SET status = 'running', request = 'pause' WHERE id = {run_id}"
        )
    run = store.run(run_id)
    assert (run.status, run.request) == (RunState.RUNNING, RequestKind.PAUSE)
    assert store.record(run_id, 0) == Request(RequestKind.PAUSE)


def test_everything_has_a_label() -> None:
    assert [state.label for state in RunState] == [
        *("Queued", "Training", "Paused", "Interrupted", "Finished", "Stopped", "Failed")
    ]
    assert all(kind.label.endswith("ing…") for kind in RequestKind)
