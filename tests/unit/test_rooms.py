"""Rooms: a class joins by a code, and its teacher looks after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import alembic.command
import pytest
import sqlalchemy as sa

from pages.server.guesses import MAX_OF_ADDRESS, MAX_OF_VISITOR, WINDOW, Guesses
from trainer.config import RunConfig
from trainer.lifecycle.states import RunState, SearchState
from trainer.spaces import Role, Space, SpaceKind
from trainer.store import Planned, Store, StoreError
from trainer.store.database import Database, alembic_config
from trainer.store.rooms import LETTERS, plain_code
from trainer.store.schema import spaces


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'store.db'}")


@pytest.fixture
def room(store: Store) -> Space:
    """A room of ann's with one student."""
    store.open_room("Monday", 2, by="ann", name="Ms Lee")
    (made,) = store.spaces("ann")
    store.join_room(made.code, "Max", by="max")
    return made


def only(store: Store) -> Space:
    (room,) = store.spaces("ann")
    return room


def names(store: Store, room: Space) -> dict[str, str]:
    return {one.person: one.name for one in store.memberships(room.id, by="ann")}


def pass_the_end(store: Store) -> None:
    with store.writing() as connection:
        connection.execute(sa.update(spaces), {"ends": datetime.now(UTC) - timedelta(seconds=1)})


def test_people_join_by_the_code_however_they_write_it(store: Store, room: Space) -> None:
    code = room.code
    assert len(code) == 6
    assert set(code) <= set(LETTERS)
    assert store.roles("max")[room.id] is Role.MEMBER
    for number, written in enumerate((code.lower(), f" {code[:3]} {code[3:]} ", "-".join(code), f"{code}\n")):
        person = f"student {number}"
        assert store.join_room(written, person, by=person).id == room.id
    assert store.join_room(code, "Other", by="max").id == room.id, "a member already"
    assert names(store, room)["max"] == "Max"
    assert store.acting_for("max", room.id).create_run(RunConfig(), "max")


@pytest.mark.parametrize("code", ["", "ABCDE", "ABCDEFG", "111111", "' OR 1=1", "%", "Ä" * 6, "A" * 10_000])
def test_a_wrong_code_is_a_sentence(store: Store, room: Space, code: str) -> None:
    for ask in (lambda: store.room_with(code), lambda: store.join_room(code, "Eve", by="eve")):
        with pytest.raises(StoreError, match="There is no room with the code") as caught:
            ask()
        assert len(str(caught.value)) < 150
    assert room.id not in store.roles("eve")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "use 1 to 40"),
        ("x" * 10_000, "10,000 characters"),
        ("max", "is called 'max' already"),
        (" MAX ", "already"),
    ],
)
def test_a_nickname_is_short_and_ones_own(store: Store, room: Space, name: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence):
        store.join_room(room.code, name, by="eve")


def test_codes_are_unlike_each_other_and_no_letter_is_misread() -> None:
    assert not set("IOLUV0158") & set(LETTERS)
    assert plain_code(" abc-DEF ") == "ABCDEF"


def test_a_locked_room_lets_nobody_new_in(store: Store, room: Space) -> None:
    store.lock_room(room.id, by="ann")
    with pytest.raises(StoreError, match="locked: nobody new can join"):
        store.join_room(room.code, "Eve", by="eve")
    assert store.join_room(room.code, "Max", by="max").id == room.id, "who is in stays in"
    store.lock_room(room.id, False, by="ann")
    assert store.join_room(room.code, "Eve", by="eve").id == room.id


def test_a_room_ends_by_itself_and_can_be_opened_again(store: Store, room: Space) -> None:
    theirs = store.acting_for("max", room.id)
    run = theirs.create_run(RunConfig(), "max")
    pass_the_end(store)
    assert not only(store).is_open
    with pytest.raises(StoreError, match="There is no room"):
        store.join_room(room.code, "Eve", by="eve")
    with pytest.raises(StoreError, match="This room has ended"):
        theirs.create_run(RunConfig(), "max")
    assert theirs.run(run).id == run, "what was made can be looked at"
    store.extend_room(room.id, 2, by="ann")
    assert only(store).is_open
    assert store.join_room(room.code, "Eve", by="eve").id == room.id


def test_ending_a_room_stops_what_trains_and_gives_its_code_back(store: Store, room: Space) -> None:
    theirs = store.acting_for("max", room.id)
    queued, running = theirs.create_run(RunConfig(), "max"), theirs.create_run(RunConfig(), "max")
    store.claim(running)
    elsewhere = store.create_run(RunConfig(), "max")
    store.end_room(room.id, by="ann")
    assert store.run(queued).status is RunState.STOPPED
    assert store.run(running).request == "stop"
    assert store.run(elsewhere).status is RunState.QUEUED
    assert (only(store).code, only(store).is_open) == (None, False)
    store.extend_room(room.id, 1, by="ann")
    assert only(store).code not in (None, room.code)


def test_stop_all_ends_searches_too(store: Store, room: Space) -> None:
    theirs = store.acting_for("max", room.id)
    search = theirs.create_search({"seeds": [1]}, "max", "S")
    store.add_trial(search, 0, "", RunConfig().to_dict())
    assert store.stop_all(room.id, by="ann") == 1
    assert store.comparison(search).search is SearchState.STOPPED
    assert store.members(search)[0].run.status is RunState.STOPPED


def test_clearing_archives_what_is_over(store: Store, room: Space) -> None:
    theirs = store.acting_for("max", room.id)
    over, live = theirs.create_run(RunConfig(), "max"), theirs.create_run(RunConfig(), "max")
    store.request(over, "stop", by="max")
    planned = Planned(0, 0, "", RunConfig().to_dict())
    done, under_way = (theirs.create_comparison({"seeds": [1]}, [planned], "max", "Q") for _ in range(2))
    store.request(store.members(done)[0].run.id, "stop", by="max")
    assert store.clear_space(room.id, by="ann") == 2
    assert store.run(over).archived
    assert not store.run(live).archived
    assert store.comparison(done).archived
    assert not store.comparison(under_way).archived


def test_a_hidden_name_is_gone(store: Store, room: Space) -> None:
    store.join_room(room.code, "<b>rude</b>", by="eve")
    store.hide_name(room.id, "eve", by="ann")
    store.hide_name(room.id, "max", by="ann")
    assert names(store, room) == {"ann": "Ms Lee", "eve": "Guest 1", "max": "Guest 2"}


LOOKING_AFTER: dict[str, Any] = {
    "lock_room": lambda store, room, by: store.lock_room(room, by=by),
    "extend_room": lambda store, room, by: store.extend_room(room, 1, by=by),
    "end_room": lambda store, room, by: store.end_room(room, by=by),
}


@pytest.mark.parametrize("what", LOOKING_AFTER)
def test_owners_alone_look_after_a_room(store: Store, room: Space, what: str) -> None:
    for person in ("max", "stranger", "", "%"):
        with pytest.raises(StoreError, match="owner"):
            LOOKING_AFTER[what](store, room.id, person)
    assert only(store) == room
    LOOKING_AFTER[what](store, room.id, "ann")
    assert only(store) != room


@pytest.mark.parametrize("what", LOOKING_AFTER)
def test_a_project_is_no_room(store: Store, what: str) -> None:
    space = store.create_space(SpaceKind.PROJECT, "P", by="ann", name="Ann")
    with pytest.raises(StoreError, match="This space is no room"):
        LOOKING_AFTER[what](store, space, "ann")


@pytest.mark.parametrize("hours", [0, -1, 1e9, float("nan"), float("inf")])
def test_a_room_lives_for_a_stated_time(store: Store, hours: float) -> None:
    with pytest.raises(StoreError, match="A room lives for up to"):
        store.open_room("Monday", hours, by="ann", name="Ann")


def test_wrong_codes_are_counted_by_visitor_and_address() -> None:
    now = [0.0]
    guesses = Guesses(lambda: now[0])
    for _ in range(MAX_OF_VISITOR):
        assert guesses.refusal("eve", "a") is None
        guesses.add("eve", "a")
    assert "Wait a minute" in guesses.refusal("eve", "a")
    assert guesses.refusal("max", "a") is None, "another visitor at the same address"
    for number in range(MAX_OF_ADDRESS):
        guesses.add(f"cookie {number}", "a")
    assert guesses.refusal("a new cookie", "a")
    assert guesses.refusal("max", "b") is None
    now[0] = WINDOW
    assert guesses.refusal("eve", "a") is None


def test_spaces_of_the_version_before_have_no_code_and_no_end(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    database, config = Database(url, migrate=False), alembic_config()
    with database.writing() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0013")
        for row in (
            "INTO spaces VALUES ('s', 'project', 'P', '2026-01-01 00:00:00', 0)",
            "INTO memberships VALUES ('s', 'ann', 'Ann', 'owner', '2026-01-01 00:00:00')",
        ):
            connection.execute(sa.text(f"INSERT {row}"))
    database.close()
    (space,) = Store(url).spaces("ann")
    assert (space.code, space.locked, space.ends, space.is_open) == (None, False, None, True)
