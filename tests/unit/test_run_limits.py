"""What a run may take in its space: it knows so from its creation on, and ends in good order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_runs import small
from limited_spaces import PLENTY, STARTS, prepared, shared

from trainer.processes.control import Control
from trainer.processes.limits import LimitError, held_to, require_points
from trainer.processes.worker import train_attempt
from trainer.settings import Settings
from trainer.store import Planned, Store, StoreError
from trainer.store.limits import UNDER_WAY


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'trainscope.db'}", limits=PLENTY)
    yield opened
    opened.close()


@pytest.mark.parametrize("start", STARTS)
def test_a_run_takes_the_limits_of_its_space_along(store: Store, start: str) -> None:
    room = shared(store, run_steps=7, run_seconds=8, run_memory_mb=9)
    there = store.acting_for("member", room)
    made = prepared(there, "member")
    before = {one.id for one in there.live() if one.status in UNDER_WAY}
    STARTS[start](there, "member", made)
    begun = [one for one in there.live() if one.id not in before or "move" in start]
    there_now = [one for one in begun if one.space == room]
    assert there_now
    for one in there_now:
        assert one.limits == {"run_steps": 7, "run_seconds": 8, "run_memory_mb": 9}
        assert "limits" not in one.config


def test_a_run_with_too_many_steps_for_its_space_does_not_begin(store: Store, tmp_path: Path) -> None:
    room = shared(store, run_steps=10)
    run = store.acting_for("member", room).create_run(small(), "member", status="running")
    train_attempt(store, run, 1, Settings(home=tmp_path), Control())
    found = store.run(run)
    assert found.status == "failed"
    assert "and a run may have 10 in this space. Train at most" in found.error
    assert store.last_step(run, "step") == -1
    with pytest.raises(LimitError, match="in this space"):
        require_points(small(), Settings(home=tmp_path), found.limits)


def test_the_lower_limit_holds(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, max_run_points=100, max_worker_mb=50)
    run = {"run_steps": 7, "run_seconds": 8, "run_memory_mb": 90}
    held = held_to(settings, run)
    assert (held.max_run_points, held.max_worker_mb, held.most_workers) == (7, 50, settings.most_workers)
    assert held_to(settings, None) is settings


def test_a_run_that_has_trained_for_as_long_as_it_may_stops_with_a_checkpoint(
    store: Store, tmp_path: Path
) -> None:
    """In slow motion: it reaches one second of its five after 20 of 100 steps or more."""
    settings, room = Settings(home=tmp_path), shared(store, run_seconds=1)
    there = store.acting_for("member", room)
    config = small(epochs=50, pace=20)
    run = there.create_run(config, "member", status="running")
    train_attempt(store, run, 1, settings, Control())
    found = store.run(run)
    assert (found.status, found.error) == ("stopped", None)
    assert found.progress["seconds"] >= 1
    assert 0 < store.last_step(run, "step") == found.progress["step"]
    assert found.config == config.to_dict()
    assert any(
        re.search(r"and a run may train for 1 s here, so it was stopped with a checkpoint", one)
        for one in found.notices
    )
    assert (settings.run_folder(run) / "checkpoint.pt").exists()
    assert found.kept_bytes > 0
    with pytest.raises(StoreError, match="and a run may train for 1 s here"):
        there.resume(run, by="member")
    store.set_limits(room, {"run_seconds": None}, by="olga")
    there.resume(run, by="member")
    assert store.run(run).limits["run_seconds"] == 3_600
    store.rename(run, "it goes on", by="member")


def test_a_comparison_goes_on_without_those_that_have_used_up_their_time(store: Store) -> None:
    room = shared(store)
    there = store.acting_for("member", room)
    comparison = there.create_comparison({}, [Planned(arm, 0, "", {}) for arm in range(2)], "member")
    late, early = (one.run.id for one in store.members(comparison))
    for run, seconds in ((late, 9.0), (early, 1.0)):
        attempt = store.claim(run) or 0
        store.record(run, attempt, progress={"seconds": seconds})
        store.finish(run, attempt, "stopped")
    store.set_limits(room, {"run_seconds": 9}, by="olga")
    assert there.resume_all(comparison, by="member") == 1
    assert (store.run(late).status, store.run(early).status) == ("stopped", "queued")
    store.request(early, "stop", by="member")
    store.set_limits(room, {"run_seconds": 1}, by="olga")
    with pytest.raises(StoreError, match="has trained for 9 s"):
        there.resume_all(comparison, by="member")
