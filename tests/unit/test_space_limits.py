"""Limits of spaces and their members: whatever method adds something asks, in the transaction that adds it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from limited_spaces import ADDS, AWAY, HOME, MEMBERS, PLENTY, STARTS, finished, live_in, prepared, shared
from own_files import csv_bytes

from trainer.config import RunConfig
from trainer.export.copying import copy_run
from trainer.settings import MEGABYTE, Settings
from trainer.spaces import COMMAND_LINE
from trainer.spaces.limits import Limits
from trainer.store import Batch, Planned, Store, StoreError


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'trainscope.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'trainscope.db'}", limits=PLENTY)
    yield opened
    opened.close()


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("by", MEMBERS)
def test_every_start_is_held_to_the_limits_of_the_space_and_of_the_member(
    store: Store, start: str, by: str
) -> None:
    room = shared(store)
    there = store.acting_for(by, room)
    made = prepared(there, by)
    there.create_run({}, by)
    before = live_in(store, room)
    for limit in ("live_runs", "live_runs_each"):
        store.set_limits(room, {limit: 1}, by="olga")
        with pytest.raises(
            StoreError, match=r"queued or in training, and (each member|the space) may have 1 at"
        ) as no:
            STARTS[start](there, by, made)
        assert "raise the limit on the Spaces page" in str(no.value)
        assert live_in(store, room) == before
        store.set_limits(room, {limit: None}, by="olga")
    if start != "create_running":
        store.set_limits(room, {"queued_runs_each": 1}, by="olga")
        with pytest.raises(
            StoreError, match="1 run of yours in this space waits in the queue, and each member may"
        ):
            STARTS[start](there, by, made)
        store.set_limits(room, {"queued_runs_each": None}, by="olga")
    STARTS[start](there, by, made)
    assert live_in(store, room) > before


@pytest.mark.parametrize("start", sorted(set(STARTS) - {"move_run", "move_comparison"}))
def test_every_start_is_held_to_the_limits_of_visitor_address_and_installation(
    store: Store, start: str
) -> None:
    there = store.acting_for("ann", address=HOME)
    made = prepared(there, "ann")
    live = there.usage("ann", space="ann").used
    assert (live.visitor, live.address, live.everybody) == (live.live,) * 3
    for limits, words in (
        (Limits(of_one=live.live), "of yours are queued or in training, and at most"),
        (Limits(of_one=live.live, together=9), "of yours"),
        (Limits(together=live.live), "of all visitors are queued or in training"),
    ):
        with pytest.raises(StoreError, match=words):
            STARTS[start](there.limited(limits), "ann", made)
    STARTS[start](there, "ann", made)


def test_the_command_line_has_no_limit(store: Store) -> None:
    room = shared(store, live_runs=1, megabytes=1)
    there, tight = store.within(room), Limits(1, 1, 1, 1)
    for _ in range(3):
        run = there.limited(tight).create_run({}, COMMAND_LINE)
    there.limited(tight).add_upload(COMMAND_LINE, "f" * 64, "x.csv", "table", 5 * MEGABYTE)
    assert store.run(run).limits is None
    with pytest.raises(StoreError, match=r"^3 runs of this space are queued"):
        store.acting_for("member", room).create_run({}, "member")


def test_a_comparison_moves_or_starts_whole_or_not_at_all(store: Store) -> None:
    room = shared(store, live_runs=3)
    there = store.acting_for("member", room)
    planned = [Planned(arm, 0, "", {}) for arm in range(4)]
    with pytest.raises(StoreError, match=r"0 runs of this space .* so 4 more do not fit"):
        there.create_comparison({}, planned, "member")
    at_home = store.acting_for("member").create_comparison({}, planned, "member")
    with pytest.raises(StoreError, match=r"0 runs of this space .* so 4 more do not fit"):
        there.move_comparison(at_home, by="member")
    assert live_in(store, room) == 0
    assert {one.run.space for one in store.members(at_home)} == {"member"}
    store.set_limits(room, {"live_runs": 4}, by="olga")
    there.move_comparison(at_home, by="member")
    assert live_in(store, room) == 4


def test_an_editor_who_resumes_anothers_run_is_told_whose_limit_it_is(store: Store) -> None:
    room = shared(store, live_runs_each=1)
    there = store.acting_for("member", room)
    stopped = finished(there, "member")
    there.create_run({}, "member")
    with pytest.raises(StoreError, match=r"^1 run of this member is queued"):
        store.acting_for("editor", room).resume(stopped, by="editor")


# -- bytes ------


@pytest.mark.parametrize("add", ADDS)
@pytest.mark.parametrize("by", MEMBERS)
def test_bytes_are_held_to_the_limits_of_the_space_and_of_the_member(store: Store, add: str, by: str) -> None:
    room = shared(store)
    there = store.acting_for(by, room)
    ADDS[add](there, by, MEGABYTE)
    assert store.usage(by, space=room).used.bytes == store.usage(by, space=room).used.bytes_each == MEGABYTE
    for limit, whose in (("megabytes_each", "Your"), ("megabytes", "The")):
        store.set_limits(room, {limit: 2}, by="olga")
        with pytest.raises(
            StoreError,
            match=rf"^{whose} runs and files .* take 1 MB and this would take 1 MB; .* keep 2 MB\. Delete",
        ):
            ADDS[add](there, by, MEGABYTE + 1)
        store.set_limits(room, {limit: None}, by="olga")
    ADDS[add](there, by, MEGABYTE + 1)
    assert store.usage(by, space=room).used.bytes == 2 * MEGABYTE + 1


@pytest.mark.parametrize("add", ["add_upload", "import_run", "import_runs"])
def test_files_and_imports_are_held_to_the_limits_of_visitor_and_address(store: Store, add: str) -> None:
    few = store.limited(Limits(files_mb=1))
    for person in range(30):
        ADDS[add](few.acting_for(f"p{person}", address=HOME), f"p{person}", MEGABYTE - person)
    with pytest.raises(
        StoreError,
        match=r"^Your files and imported runs take 1 MB and this would take 2 B; you may keep 1 MB",
    ):
        ADDS[add](few.acting_for("p0", address=AWAY), "p0", 2)
    with pytest.raises(StoreError, match=r"from your network address take .* one address may keep 30 MB"):
        ADDS[add](few.acting_for("new", address=HOME), "new", 1_000)
    ADDS[add](few.acting_for("new", address=AWAY), "new", 1_000)
    ADDS[add](few.acting_for("local"), "local", 1_000)


def test_a_run_starts_as_long_as_anything_is_left(store: Store) -> None:
    room = shared(store, megabytes_each=1)
    there = store.acting_for("member", room)
    finished(there, "member", MEGABYTE - 1)
    kept = finished(there, "member", 1)
    with pytest.raises(
        StoreError, match=r"take 1 MB; each member may keep 1 MB\. Delete what is no longer needed"
    ):
        there.create_run({}, "member")
    store.acting_for("editor", room).create_run({}, "editor")
    there.delete(kept, by="member")
    there.create_run({}, "member")


def test_a_file_that_is_there_already_takes_no_second_room(store: Store) -> None:
    room = shared(store, megabytes=1)
    there = store.acting_for("member", room)
    for name in ("a.csv", "b.csv"):
        there.add_upload("member", "c" * 64, name, "table", MEGABYTE)


def test_what_a_run_keeps_is_its_folder_and_its_curves(url: str) -> None:
    store = Store(url, limits=PLENTY)
    run = store.create_run({}, "ann")
    attempt = store.claim(run) or 0
    rows = np.arange(200.0).reshape(100, 2)
    store.record(
        run, attempt, [Batch("step", ("step", "loss"), rows)], views={"x": (1, b"12345")}, folder_bytes=70
    )
    assert store.run(run).kept_bytes == rows.nbytes + 5 + 70
    store.record(run, attempt, progress={"step": 1})
    assert store.run(run).kept_bytes == rows.nbytes + 5 + 70, (
        "it is measured with a checkpoint and at the end"
    )
    store.measure(run, 0)
    assert store.run(run).kept_bytes == rows.nbytes + 5
    assert store.usage("ann").used.bytes_each == store.usage("bob", space="ann").used.bytes == rows.nbytes + 5
    store.close()


def test_a_copy_that_does_not_fit_leaves_nothing_behind(store: Store, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
    settings = Settings(home=tmp_path)
    room = shared(store, megabytes_each=1)
    from own_files import added

    digest = added(csv_bytes())
    store.add_upload("member", digest, "people.csv", "table", 1_000)
    config = RunConfig.from_flat({"data": "csv", "data.file": digest, "data.target": "member"})
    run = store.create_run(config, "member")
    store.finish(run, store.claim(run) or 0, "stopped")
    (settings.run_folder(run)).mkdir(parents=True)
    there = store.acting_for("member", room)
    there.add_upload("member", "e" * 64, "large.csv", "table", MEGABYTE - 500)
    with pytest.raises(StoreError, match="each member may keep 1 MB"):
        copy_run(there, settings, run, by="member")
    assert [one.name for one in store.uploads([room])] == ["large.csv"]
    there.remove_upload("e" * 64, by="member")
    copy_run(there, settings, run, by="member")
    assert [one.name for one in store.uploads([room])] == ["people.csv"]


# -- simultaneous ------


@pytest.mark.parametrize(
    "start", ["create_run", "create_comparison", "create_search", "add_upload", "import_run"]
)
def test_of_many_at_once_as_many_get_in_as_fit(url: str, start: str) -> None:
    store = Store(url, limits=PLENTY)
    room = shared(store, live_runs=3, megabytes=3)
    begins, refused = threading.Barrier(8), itertools.count()

    def add(number: int) -> None:
        by = MEMBERS[number % 3] if start != "create_search" else "member"
        there = store.acting_for(by, room)
        begins.wait(60)
        for one in range(2):
            try:
                if start == "create_search":
                    there.create_search({"seeds": []}, by)
                elif start in STARTS:
                    STARTS[start](there, by, {})
                else:
                    ADDS[start](there, by, MEGABYTE - 2 * number - one)
            except StoreError:
                next(refused)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    used = store.usage("nobody", space=room).used
    within = {"create_search": len(store.live_searches()), "add_upload": len(store.uploads([room]))}
    assert within.get(start, used.live or len(store.runs(room))) == (5 if start == "create_search" else 3)
    assert used.bytes <= 3 * MEGABYTE
    assert next(refused) == (11 if start == "create_search" else 13)
    store.close()
