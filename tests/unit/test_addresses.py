"""Limits by network address: a cleared cookie gives nothing new, and no more is kept of an address than it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from limited_spaces import AWAY, HOME, PLENTY, ended

from pages.live.addresses import address_digest, network_of
from trainer.spaces.limits import Limits
from trainer.store import Store, StoreError
from trainer.store.schema import comparisons, runs, uploads


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'trainscope.db'}", limits=PLENTY)
    yield opened
    opened.close()


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
