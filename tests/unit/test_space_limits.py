"""Limits of spaces, their members and network addresses: whatever method adds something asks, in the transaction that adds it."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import alembic.command
import numpy as np
import pytest
import sqlalchemy as sa
from engine_runs import small
from hypothesis import given
from hypothesis import strategies as st
from own_files import csv_bytes

from pages.live.addresses import address_digest, network_of
from trainer.config import RunConfig
from trainer.export.copying import copy_run
from trainer.lifecycle.branches import Fork
from trainer.processes.control import Control
from trainer.processes.limits import LimitError, held_to, require_points
from trainer.processes.worker import train_attempt
from trainer.settings import MEGABYTE, Settings
from trainer.spaces import COMMAND_LINE, Role, SpaceKind
from trainer.spaces.limits import RULES, SETTINGS, Limits, Used, Wanted, limits_of, new_runs
from trainer.spaces.usage import usage_refusal
from trainer.store import Batch, EndedRun, Planned, Store, StoreError
from trainer.store.database import Database, alembic_config
from trainer.store.limits import UNDER_WAY
from trainer.store.schema import comparisons, runs, uploads

PLENTY = Limits(of_one=50, together=200)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOME, AWAY = "a" * 32, "b" * 32
KINDS = (SpaceKind.ROOM, SpaceKind.PROJECT)
MEMBERS = (Role.MEMBER, Role.EDITOR, Role.OWNER)


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


def shared(store: Store, kind: SpaceKind = SpaceKind.ROOM, **limits: int) -> str:
    """A space of olga's with a member of each role, by its name."""
    space = store.create_space(kind, "Lesson", by="olga", name="Olga")
    for role in (*MEMBERS, Role.VIEWER):
        store.join(store.invite(space, role, by="olga"), role.title(), by=role)
    store.set_limits(space, limits, by="olga")
    return space


def ended(size: int = 0) -> EndedRun:
    values = {
        "name": "",
        "notes": "",
        "status": "stopped",
        "config": {},
        "created": NOW,
        "started": NOW,
        "ended": NOW,
    }
    return EndedRun({**values, "progress": {}, "results": None, "error": None, "notices": []}, [], size)


def finished(store: Store, owner: str, kept: int = 0) -> int:
    """A run that is over and keeps so many bytes on the disk."""
    run = store.create_run({}, owner)
    store.finish(run, store.claim(run) or 0, "stopped", folder_bytes=kept)
    return run


# -- whatever adds a run asks -----------------------------------------------------------------------------------------


def branch(store: Store, by: str, of: int) -> int:
    made = {"changes": [], "forks": [Fork(1, 1)], "place": lambda _: None}
    return store.create_branch(RunConfig(), by, of=of, step=1, **made)


def compare(store: Store, by: str) -> int:
    return store.create_comparison({"seeds": [1]}, [Planned(0, 0, "", {})], by)


def extend(store: Store, by: str, comparison: int) -> None:
    store.extend_comparison(comparison, {"seeds": [1, 2]}, [Planned(0, 1, "", {})], by=by)


STARTS: dict[str, Callable[[Store, str, dict[str, int]], Any]] = {
    "create_run": lambda store, by, _: store.create_run({}, by),
    "create_running": lambda store, by, _: store.create_run({}, by, status="running"),
    "create_branch": lambda store, by, made: branch(store, by, made["stopped"]),
    "create_comparison": lambda store, by, _: compare(store, by),
    "extend_comparison": lambda store, by, made: extend(store, by, made["comparison"]),
    "resume": lambda store, by, made: store.resume(made["stopped"], by=by),
    "resume_all": lambda store, by, made: store.resume_all(made["comparison"], by=by),
    "continue_search": lambda store, by, made: store.continue_search(made["search"], by=by),
    "add_trial": lambda store, by, made: store.add_trial(made["trials"], 7, "", {}),
    "move_run": lambda store, by, made: store.move_run(made["elsewhere"], by=by),
    "move_comparison": lambda store, by, made: store.move_comparison(made["compared elsewhere"], by=by),
}


def prepared(store: Store, by: str) -> dict[str, int]:
    """What the methods above need, none of it live in the space, but for a live run and comparison elsewhere."""
    theirs = store.acting_for(by, by)
    made = {"stopped": finished(store, by), "comparison": compare(store, by)}
    store.request_all(made["comparison"], "stop", by=by)
    made["search"], made["trials"] = (store.create_search({"seeds": [1]}, by) for _ in range(2))
    store.add_trial(made["search"], 0, "", {})
    store.stop_search(made["search"], by=by)
    return made | {"elsewhere": theirs.create_run({}, by), "compared elsewhere": compare(theirs, by)}


def live_in(store: Store, space: str) -> int:
    return store.usage("nobody", space=space).used.live


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


# -- bytes ------------------------------------------------------------------------------------------------------------

ADDS: dict[str, Callable[[Store, str, int], Any]] = {
    "add_upload": lambda store, by, size: store.add_upload(by, f"{size:064x}", "x.csv", "table", size),
    "import_run": lambda store, by, size: store.import_runs(by, [ended(size)]),
    "import_runs": lambda store, by, size: store.import_runs(by, [ended(size // 2), ended(size - size // 2)]),
    "move_run": lambda store, by, size: store.move_run(finished(store.acting_for(by, by), by, size), by=by),
    "share_upload": lambda store, by, size: store.share_upload(elsewhere(store, by, size), by=by),
}


def elsewhere(store: Store, by: str, size: int) -> str:
    """A file in the private space."""
    store.acting_for(by, by).add_upload(by, f"{size + 7:064x}", "x.csv", "table", size)
    return f"{size + 7:064x}"


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


# -- simultaneous -----------------------------------------------------------------------------------------------------


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


# -- addresses --------------------------------------------------------------------------------------------------------


def test_a_cleared_cookie_gives_no_new_room(store: Store) -> None:
    few = store.limited(Limits(of_one=3, together=20))
    assert few.limits.of_address == 10, "half of all"
    for person in range(4):
        there = few.acting_for(f"cookie {person}", address=HOME)
        for _ in range(3 if person < 3 else 1):
            there.create_run({}, f"cookie {person}")
    sentence = r"^10 runs from your network address are queued .* at most 10 from one address .* same router or proxy"
    for by in ("cookie 3", "fresh"):
        with pytest.raises(StoreError, match=sentence):
            few.acting_for(by, address=HOME).create_run({}, by)
    for by, address in (("away", AWAY), ("local", "")):
        few.acting_for(by, address=address).create_run({}, by)
    first = few.runs("cookie 0")[0].id
    few.request(first, "stop", by="cookie 0")
    few.acting_for("fresh", address=HOME).create_run({}, "fresh")
    with pytest.raises(StoreError, match="from your network address"):
        few.acting_for("cookie 0", address=HOME).resume(first, by="cookie 0")


def test_there_is_room_for_a_class_behind_one_address() -> None:
    assert Limits(of_one=10, together=1_000).of_address == 300
    assert Limits(of_one=100, together=1_000).of_address == 500
    assert Limits(of_one=100, together=100).of_address == 100, "one visitor may always have their own"


def addresses(store: Store, table: sa.Table = runs) -> set[str]:
    with store.reading() as connection:
        return set(connection.execute(sa.select(table.c.address)).scalars())


@pytest.mark.parametrize("end", ["finished", "stopped", "failed", "paused"])
def test_an_address_is_kept_while_its_run_is_live(store: Store, end: str) -> None:
    there = store.acting_for("ann", address=HOME)
    run = there.create_run({}, "ann")
    attempt = store.claim(run) or 0
    store.finish(run, attempt, "queued")
    attempt = store.claim(run) or 0
    assert addresses(store) == {HOME}, "it made room, and is live"
    store.finish(run, attempt, end)
    assert addresses(store) == {""}
    if end == "stopped":
        store.acting_for("ann", address=AWAY).resume(run, by="ann")
        assert addresses(store) == {AWAY}


def test_the_trials_of_a_search_count_for_where_it_was_begun(store: Store) -> None:
    search = store.acting_for("ann", address=HOME).create_search({"seeds": []}, "ann")
    store.add_trial(search, 0, "", {})
    assert addresses(store) == {HOME}
    store.stop_search(search, by="ann")
    assert addresses(store, comparisons) == addresses(store) == {""}
    store.acting_for("ann", address=AWAY).continue_search(search, by="ann")
    store.add_trial(search, 1, "", {})
    assert addresses(store) == {AWAY}
    store.end_search(search)
    assert addresses(store, comparisons) == {""}


def test_files_and_imports_keep_their_address_while_they_count(store: Store) -> None:
    there = store.acting_for("ann", address=HOME)
    run = there.import_run("ann", ended().values, [], 100)
    there.add_upload("ann", "f" * 64, "x.csv", "table", 10)
    store.resume(run, by="ann")
    store.request(run, "stop", by="ann")
    assert there.usage("ann", space="ann").used.address_bytes in (10, 110)
    assert addresses(store, uploads) == {HOME}


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
        (None, ""),
    ],
)
def test_devices_of_one_household_share_an_address(host: str | None, network: str) -> None:
    assert network_of(host) == network


def test_an_address_is_kept_as_a_digest_under_the_servers_key(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    found = address_digest(one, "192.0.2.7")
    assert re.fullmatch("[0-9a-f]{32}", found)
    assert found == address_digest(one, "::ffff:192.0.2.7")
    assert len({found, address_digest(other, "192.0.2.7"), address_digest(one, "192.0.2.8")}) == 3
    assert address_digest(one, None) == ""


# -- one run ----------------------------------------------------------------------------------------------------------


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


# -- the table and its overrides --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_owners_set_limits_within_what_the_installation_allows(store: Store, kind: SpaceKind) -> None:
    space = shared(store, kind)
    for rule in RULES:
        usual, most = rule.default(kind, PLENTY), rule.most(PLENTY)
        assert getattr(store.usage("olga", space=space).limits, rule.name) == usual <= most
        store.set_limits(space, {rule.name: 1}, by="olga")
        assert getattr(store.usage("olga", space=space).limits, rule.name) == 1
        for value in (most + 1, 0, -1, 1.5, "many", True, 10**30):
            with pytest.raises(StoreError, match=f"{rule.name}|{rule.label}"):
                store.set_limits(space, {rule.name: value}, by="olga")
        assert getattr(store.usage("olga", space=space).limits, rule.name) == 1
        store.set_limits(space, {rule.name: None}, by="olga")
        assert getattr(store.usage("olga", space=space).limits, rule.name) == usual
    with pytest.raises(StoreError, match=r"There is no limit 'runs'\. The limits are live_runs_each"):
        store.set_limits(space, {"runs": 1}, by="olga")


@given(
    kind=st.sampled_from(SpaceKind),
    set_to=st.dictionaries(st.sampled_from([one.name for one in RULES]), st.integers(1, 10**7)),
    limits=st.builds(Limits, *[st.integers(1, 10**6)] * len(SETTINGS)),
)
def test_no_limit_exceeds_the_installations(kind: SpaceKind, set_to: dict[str, int], limits: Limits) -> None:
    """Also where the installation allowed more when it was set."""
    held = limits_of(kind, set_to, limits)
    for rule in RULES:
        value = getattr(held, rule.name)
        assert 1 <= value <= rule.most(limits)
        if (wanted := set_to.get(rule.name)) is not None:
            assert value == min(wanted, rule.most(limits))


COUNTS = st.integers(0, 12)


@given(
    used=st.builds(Used, *[COUNTS] * 7, *[st.integers(0, 3 * MEGABYTE)] * 4),
    wanted=st.builds(
        Wanted,
        COUNTS,
        COUNTS,
        st.integers(0, 3 * MEGABYTE),
        st.integers(0, 3 * MEGABYTE),
        st.booleans(),
        st.booleans(),
    ),
    set_to=st.fixed_dictionaries({one.name: st.integers(1, 12) for one in RULES[:4]}),
    megabytes=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    together=st.integers(1, 24),
    shared=st.booleans(),
)
def test_a_refusal_names_what_is_taken_the_limit_whose_it_is_and_what_helps(
    used: Used,
    wanted: Wanted,
    set_to: dict[str, int],
    megabytes: tuple[int, int],
    together: int,
    shared: bool,
) -> None:
    limits = Limits(12, together, files_mb=2, megabytes=3)
    overrides = {**set_to, "megabytes_each": megabytes[0], "megabytes": megabytes[1]}
    held = limits_of(SpaceKind.ROOM, overrides, limits)
    problem = usage_refusal(limits, held, used, wanted, shared=shared)
    assert (problem is None) == fits(limits, held, used, wanted, shared=shared)
    if problem is None:
        return
    assert re.match(
        r"(\d+ runs? (of (yours( in this space)?|this (member|visitor|space)|all visitors)|from your network address) |"
        r"(Your|This member's|The) )",
        problem,
    )
    assert len(re.findall(r"\d+", problem)) >= 2, "what is taken, and the limit"
    assert re.search(r"(Wait until|Try again when|Delete) .*\.$", problem)
    assert shared or "owner of the space" not in problem


def fits(limits: Limits, held: Any, used: Used, wanted: Wanted, *, shared: bool) -> bool:
    """Says the same in other words: nothing that is added takes more than there is, of each limit that counts it."""
    runs, added = wanted.runs, wanted.bytes or int(wanted.runs > 0)
    rows = [
        (used.live_each, runs, held.live_runs_each),
        (used.queued_each, wanted.queued, held.queued_runs_each),
    ]
    rows.append((used.bytes_each, added, held.megabytes_each * MEGABYTE))
    if shared:
        rows += [(used.live, runs, held.live_runs), (used.queued, wanted.queued, held.queued_runs)]
        rows.append((used.bytes, added, held.megabytes * MEGABYTE))
    if not wanted.moves:
        rows += [(used.visitor, runs, limits.of_one), (used.everybody, runs, limits.together)]
        rows.append((used.address, runs, limits.of_address))
    rows.append((used.visitor_bytes, wanted.kept, limits.files_mb * MEGABYTE))
    rows.append((used.address_bytes, wanted.kept, limits.address_mb * MEGABYTE))
    return all(not more or taken + more <= most for taken, more, most in rows)


def test_what_is_likely_to_fit_is_what_fits(store: Store) -> None:
    room = shared(store, live_runs_each=2)
    there = store.acting_for("member", room)
    assert there.usage("member").problem(new_runs(2)) == ""
    assert "so 3 more do not fit" in there.usage("member").problem(new_runs(3))
    there.create_run({}, "member")
    assert there.usage("member").problem(new_runs(2)).startswith("1 run of yours in this space is queued")


def test_the_settings_are_the_installations_limits(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, max_live_runs=7, max_live_runs_per_visitor=5, upload_quota_mb=3)
    limits = Limits.of(settings)
    assert (limits.together, limits.of_one, limits.files_mb) == (7, 5, 3)
    usual, fields = Limits.of(Settings(home=tmp_path)), SETTINGS.keys() - {"run_memory_mb"}
    assert all(getattr(usual, name) == getattr(Limits(), name) for name in fields)


def test_the_docs_show_the_table() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "spaces.md").read_text()
    usual = Limits()
    for rule in RULES:
        own = rule.name.endswith("_each") or rule.name.startswith("run_")
        cells = [
            f"{rule.default(kind, usual):,}"
            for kind in (SpaceKind.PRIVATE, SpaceKind.ROOM, SpaceKind.PROJECT)
        ]
        if not own:
            cells[0] = "–"
        most = f"`TRAINSCOPE_{SETTINGS[rule.bound].upper()}`"
        if rule.name == "run_memory_mb":
            cells = ["all", "4,000", "all"]
        unit = "" if rule.unit in ("runs", "steps") else f", {rule.unit}"
        row = f"| `{rule.name}` | {rule.label}{unit} | {' | '.join(cells)} | {most} | {rule.why} |"
        assert row in docs, row


def test_runs_of_an_earlier_version_keep_what_their_curves_take(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    database = Database(url, migrate=False)
    config = alembic_config()
    with database.writing() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0013")
        for number, imported in ((1, 0), (2, 500)):
            connection.execute(sa.text(OLD_RUN), {"id": number, "imported": imported})
            connection.execute(sa.text(OLD_CHUNK), {"run": number})
        connection.execute(
            sa.text(
                "INSERT INTO spaces (id, kind, title, created, archived) VALUES ('s', 'project', 'Q', '2026-01-01', 0)"
            )
        )
    database.close()
    store = Store(url, limits=PLENTY)
    assert [(one.kept_bytes, one.limits) for one in store.runs("ann")] == [(500, None), (3, None)]
    assert store.usage("ann", space="ann").used.bytes == 503
    assert store.spaces(None)[0].limits == {}
    assert store.resume(1, by="ann") == "queued"
    assert store.run(1).limits is not None
    store.close()


OLD_RUN = (
    "INSERT INTO runs (id, number, owner, space, name, notes, archived, status, config, created, attempt, beat, progress, "
    "notices, version, place, losses, lost_step, imported_bytes) VALUES (:id, :id, 'ann', 'ann', '', '', false, 'stopped', "
    "'{}', '2026-01-01 00:00:00', 1, 0, '{}', '[]', :id, :id, 0, -1, :imported)"
)
OLD_CHUNK = (
    "INSERT INTO chunks (run_id, kind, last_step, serial, level, count, columns, data) "
    "VALUES (:run, 'step', 1, 1, 0, 1, '[\"step\"]', x'010203')"
)


# -- the command line -------------------------------------------------------------------------------------------------


def test_the_command_line_shows_and_sets_limits(command) -> None:
    space = command("new-space", "Delivery times")[1].strip()
    code, out, _ = command("limits", space)
    assert (code, out.count("\n")) == (0, len(RULES))
    assert "live_runs         0 of 500 runs\n" in out
    code, out, _ = command("limits", space, "--set", "live_runs=7", "run_seconds=60", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert {"limit": "live_runs", "most": 7, "used": 0} in rows
    assert {"limit": "run_seconds", "most": 60, "used": None} in rows
    assert "live_runs         0 of 500 runs\n" in command("limits", space, "--set", "live_runs=")[1]
    for wrong, words in (
        ("live_runs=many", "live_runs is 'many'; use a whole number from 1"),
        ("live_runs=0", "live_runs is 0; use a whole number from 1"),
        ("live_runs=1001", "is more than this installation allows. Use at most 1,000."),
        ("runs=1", "There is no limit 'runs'. The limits are live_runs_each"),
    ):
        code, _, err = command("limits", space, "--set", wrong)
        assert (code, words in err, err.count("\n")) == (2, True, 1), err
    assert command("limits", "nowhere")[0] == 2
