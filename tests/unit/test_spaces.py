"""Spaces: nobody sees or changes anything outside theirs, by whatever method of the store, and roles allow what they say."""

from __future__ import annotations

import inspect
import itertools
import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import alembic.command
import numpy as np
import pytest
import sqlalchemy as sa
from command_line import FAST, cli

from trainer.config import RunConfig
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import SearchState
from trainer.spaces import COMMAND_LINE, LinkKind, Role, SpaceKind
from trainer.store import Batch, Planned, Store, StoreError
from trainer.store.database import Database, alembic_config
from trainer.store.schema import links

DIGEST = "d" * 64
PEOPLE = {"vera": Role.VIEWER, "max": Role.MEMBER, "eda": Role.EDITOR, "olga": Role.OWNER}
OUTSIDE = ("stranger", "former", "", "ann ", "%", "bob")
EVERYBODY = (*PEOPLE, *OUTSIDE)


@dataclass(frozen=True)
class World:
    """A project with one of everything, made by ann, its first owner; and the same in the private space of bob."""

    store: Store
    space: str
    run: int
    comparison: int
    member: int
    search: int
    private: int


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> World:
    """One world for all tests, which take copies."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('spaces') / 'store.db'}")
    space = store.create_space(SpaceKind.PROJECT, "Deliveries", by="ann", name="Ann")
    for person, role in {**PEOPLE, "former": Role.EDITOR}.items():
        store.join(store.invite(space, role, by="ann"), person.title(), by=person)
    store.remove_member(space, "former", by="ann")
    there = store.within(space)
    run = _filled(there, "ann")
    planned = Planned(0, 0, "", RunConfig().to_dict())
    comparison = there.create_comparison({"seeds": [1]}, [planned], "ann", "Q")
    member = store.members(comparison)[0].run.id
    search = there.create_search({"seeds": [1]}, "ann", "S")
    world = World(store, space, run, comparison, member, search, _filled(store, "bob"))
    store.close()  # which writes everything into the one file
    return world


@pytest.fixture
def copies(template: World, tmp_path) -> Iterator[Callable[[], World]]:
    """Makes worlds that nobody has changed."""
    numbers, opened = itertools.count(), []

    def copy() -> World:
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copy(template.store.url.removeprefix("sqlite:///"), path)
        opened.append(Store(f"sqlite:///{path}"))
        return replace(template, store=opened[-1])

    yield copy
    for store in opened:
        store.close()


@pytest.fixture
def world(copies: Callable[[], World]) -> World:
    return copies()


def _filled(store: Store, owner: str) -> int:
    """A run with points, a view, a change of knobs, tags, an upload that it trains on, and a bookmark beside it."""
    store.add_upload(owner, DIGEST, "houses.csv", "table", 10)
    config = RunConfig().to_dict()
    config["data"] = {"name": "table", "file": DIGEST}
    run = store.create_run(config, owner, "a name")
    attempt = store.claim(run) or 0
    rows = np.array([[1.0, 0.5]])
    store.record(run, attempt, [Batch("step", ("step", "loss"), rows)], views={"picture": (1, b"x")})
    store.set_tags(run, ["a tag"], by=owner)
    store.save_bookmark(owner, "a view", {"filter": ""})
    return run


READS: dict[str, Callable[[Store, World, str], Any]] = {
    "run": lambda store, world, _: store.run(world.run),
    "runs": lambda store, world, _: [one for one in store.runs() if one.space == world.space],
    "live": lambda store, world, _: [one for one in store.live() if one.space == world.space],
    "queued": lambda store, world, _: [one for one in store.queued() if one.space == world.space],
    "with_status": lambda store, world, _: [
        one for one in store.with_status(store_status(world)) if one.space == world.space
    ],
    "run_ids": lambda store, *_: store.run_ids("ann"),
    "changed_since": lambda store, world, _: [
        one for one in store.changed_since(0).runs if one.space == world.space
    ],
    "tags": lambda store, world, _: store.tags([world.space]),
    "read_points": lambda store, world, _: len(store.read_points(world.run, "step")),
    "read_tails": lambda store, world, _: store.read_tails({(world.run, "step"): -1}),
    "last_step": lambda store, world, _: store.last_step(world.run, "step"),
    "views": lambda store, world, _: store.views(world.run),
    "knob_changes": lambda store, world, _: [store.knob_changes(world.run)],
    "knob_changes_of": lambda store, world, _: [store.knob_changes_of([world.run])],
    "branches_of": lambda store, world, _: [store.branches_of(world.run)] if store.run(world.run) else [],
    "hidden": lambda store, world, _: not store.hidden([world.run]),
    "comparison": lambda store, world, _: store.comparison(world.comparison),
    "comparisons_under_way": lambda store, *_: store.comparisons_under_way(),
    "comparisons": lambda store, world, _: store.comparisons([world.space]),
    "members": lambda store, world, _: store.members(world.comparison),
    "live_searches": lambda store, *_: store.live_searches(),
    "uploads": lambda store, world, _: store.uploads([world.space]),
    "runs_using": lambda store, world, _: store.runs_using(DIGEST, world.space),
    "data_refusal": lambda store, world, _: not store.data_refusal({"data": {"file": DIGEST}}, world.space),
    "bookmarks": lambda store, world, person: store.acting_for(person, world.space).bookmarks(person),
    "memberships": lambda store, world, person: store.memberships(world.space, by=person),
}
"""What each method that reads shows of the project. For those who may not look: nothing, or a StoreError."""
OF_NOBODY = {
    *(
        "acting_for",
        "within",
        "visible",
        "require_visible",
        "roles",
        "target",
        "admit",
        "spaces",
        "links",
    ),
    *(
        "reading",
        "writing",
        "close",
        "change_stamp",
        "stamp_reader",
        "supervisor_status",
        "invitation",
        "room_with",
    ),
    *("download", "download_of", "downloads", "inspection", "inspections"),
    *(
        "first_in_line",
        "newest_in_line",
        "is_full",
        "replicates",
        "usage",
        "limits_of_run",
        "run_limits",
        "limited",
        "is_orphan",
        "change_refusal",
        "add_members",
        "lesson_progress",
        "add_comparison",
        "resume_all_of",
    ),
}
"""Reads that show nothing of anybody's space: those of the machine, sums, those that take what was read before, and
a person's own progress."""


def store_status(world: World) -> Any:
    return world.store.run(world.run).status


def shown(read: str, world: World, store: Store, person: str) -> bool:
    try:
        found = READS[read](store, world, person)
    except StoreError:
        return False
    return found not in (-1, 0) and bool(found)


def test_every_read_is_tried_here(world: World) -> None:
    """A new method has to say here what it shows, and of whom."""
    from test_rights import ADDS, CHANGES, MACHINE, METHODS, OF_COMPARISONS, OF_SPACES

    writes = {
        *MACHINE,
        *ADDS,
        *CHANGES,
        *METHODS,
        *OF_COMPARISONS,
        *OF_SPACES,
        "remove_upload",
        "create_search",
    }
    public = {name for name, _ in inspect.getmembers(Store, inspect.isfunction) if not name.startswith("_")}
    assert public - writes - OF_NOBODY <= set(READS)
    assert set(READS) <= public


@pytest.mark.parametrize("read", READS)
def test_members_see_the_space_and_strangers_nothing(world: World, read: str) -> None:
    for person in ("ann", *PEOPLE):
        assert shown(read, world, world.store.acting_for(person), person), person
    for person in OUTSIDE:
        assert not shown(read, world, world.store.acting_for(person), person), person
    assert shown(read, world, world.store, COMMAND_LINE), "workers and the terminal see all"


def test_nobody_sees_a_private_run(world: World) -> None:
    for person in ("ann", *EVERYBODY[:-1]):
        theirs = world.store.acting_for(person)
        for read in (theirs.run, theirs.knob_changes, theirs.views):
            with pytest.raises(StoreError, match=f"There is no run {world.private}."):
                read(world.private)
        assert world.private not in [one.id for one in theirs.runs(archived=None)]
    assert world.store.acting_for("bob").run(world.private).owner == "bob"


def test_a_hidden_run_is_told_as_one_that_is_not_there(world: World) -> None:
    theirs = world.store.acting_for("stranger")
    for number in (world.run, 10_000, -1, 2**40):
        with pytest.raises(StoreError, match=rf"^There is no run {number}\.$"):
            theirs.run(number)


CHANGES: dict[str, Callable[[Store, World, str], Any]] = {
    "request": lambda store, world, by: store.request(world.run, "stop", by=by),
    "mark": lambda store, world, by: store.mark(world.run, by=by),
    "rename": lambda store, world, by: store.rename(world.run, "mine", by=by),
    "set_notes": lambda store, world, by: store.set_notes(world.run, "mine", by=by),
    "set_tags": lambda store, world, by: store.set_tags(world.run, ["mine"], by=by),
    "archive": lambda store, world, by: store.archive(world.run, by=by),
    "delete": lambda store, world, by: store.delete(world.member, by=by),
    "move_run": lambda store, world, by: store.acting_for(by).move_run(world.run, by=by),
    "publish": lambda store, world, by: store.publish(LinkKind.RUN, world.run, by=by),
    "request_all": lambda store, world, by: store.request_all(world.comparison, RequestKind.STOP, by=by),
    "rename_comparison": lambda store, world, by: store.rename_comparison(world.comparison, "mine", by=by),
    "archive_comparison": lambda store, world, by: store.archive_comparison(world.comparison, by=by),
    "move_comparison": lambda store, world, by: store.acting_for(by).move_comparison(world.comparison, by=by),
    "delete_comparison": lambda store, world, by: store.delete_comparison(world.comparison, by=by),
    "stop_search": lambda store, world, by: store.stop_search(world.search, by=by),
    "remove_upload": lambda store, world, by: store.acting_for(by, world.space).remove_upload(
        "e" * 64, by=by
    ),
}
ADDS: dict[str, Callable[[Store, World, str], Any]] = {
    "create_run": lambda store, world, by: store.create_run(RunConfig(), by),
    "create_comparison": lambda store, world, by: store.create_comparison({"seeds": []}, [], by),
    "create_search": lambda store, world, by: store.create_search({"seeds": []}, by),
    "add_upload": lambda store, world, by: store.add_upload(by, "f" * 64, "x.csv", "table", 1),
    "save_bookmark": lambda store, world, by: store.save_bookmark(by, "mine", {}),
    "share_upload": lambda store, world, by: store.share_upload(DIGEST, by=by),
}
RULES: dict[str, Callable[[Store, World, str], Any]] = {
    "rename_space": lambda store, world, by: store.rename_space(world.space, "mine", by=by),
    "archive_space": lambda store, world, by: store.archive_space(world.space, by=by),
    "set_role": lambda store, world, by: store.set_role(world.space, "vera", Role.OWNER, by=by),
    "remove_member": lambda store, world, by: store.remove_member(world.space, "ann", by=by),
    "set_limits": lambda store, world, by: store.set_limits(world.space, {"live_runs": 5}, by=by),
    "invite": lambda store, world, by: store.invite(world.space, Role.OWNER, by=by),
    "hide_name": lambda store, world, by: store.hide_name(world.space, "max", by=by),
    "stop_all": lambda store, world, by: store.stop_all(world.space, by=by),
    "clear_space": lambda store, world, by: store.clear_space(world.space, by=by),
}


def may(change: Callable[[Store, World, str], Any], store: Store, world: World, by: str) -> bool:
    try:
        change(store, world, by)
    except StoreError:
        return False
    return True


@pytest.mark.parametrize("change", sorted(set(CHANGES) - {"remove_upload"}))
def test_others_change_it_as_editors_and_owners(copies: Callable[[], World], change: str) -> None:
    for person in EVERYBODY:
        world, allowed = copies(), PEOPLE.get(person) in (Role.EDITOR, Role.OWNER)
        assert may(CHANGES[change], world.store, world, person) == allowed, person


@pytest.mark.parametrize("change", ADDS)
def test_members_add_to_it(world: World, change: str) -> None:
    for person in EVERYBODY:
        theirs = world.store.acting_for(person, world.space)
        allowed = PEOPLE.get(person) not in (None, Role.VIEWER)
        assert may(ADDS[change], theirs, world, person) == allowed, person


@pytest.mark.parametrize("change", RULES)
def test_owners_alone_look_after_it(copies: Callable[[], World], change: str) -> None:
    for person in EVERYBODY:
        world = copies()
        assert may(RULES[change], world.store, world, person) == (PEOPLE.get(person) is Role.OWNER), person


def test_what_a_member_has_started_is_theirs_until_they_leave(world: World) -> None:
    run = world.store.acting_for("max", world.space).create_run(RunConfig(), "max")
    world.store.rename(run, "mine", by="max")
    world.store.set_role(world.space, "max", Role.VIEWER, by="olga")
    with pytest.raises(StoreError, match="You are a viewer in this space"):
        world.store.rename(run, "still mine", by="max")
    world.store.remove_member(world.space, "max", by="max")
    with pytest.raises(StoreError, match="belongs to another visitor"):
        world.store.delete(run, by="max")
    assert world.store.run(run).owner == "max", "what was made stays in the space"


def test_a_space_keeps_an_owner(world: World) -> None:
    world.store.remove_member(world.space, "olga", by="olga")
    for change in (
        lambda: world.store.remove_member(world.space, "ann", by="ann"),
        lambda: world.store.set_role(world.space, "ann", Role.EDITOR, by="ann"),
    ):
        with pytest.raises(StoreError, match="A space needs an owner"):
            change()


def test_nothing_is_added_to_an_archived_space(world: World) -> None:
    world.store.archive_space(world.space, by="olga")
    for add in ADDS.values():
        with pytest.raises(StoreError, match="archived"):
            add(world.store.acting_for("max", world.space), world, "max")
    assert world.store.acting_for("vera").run(world.run)


def test_a_link_opens_one_run_to_look_at_until_it_is_revoked(world: World) -> None:
    key = world.store.publish(LinkKind.RUN, world.run, by="ann")
    theirs = world.store.acting_for("stranger", keys=[key])
    assert theirs.run(world.run).id == world.run
    assert len(theirs.read_points(world.run, "step"))
    assert [one.id for one in theirs.runs()] == [world.run]
    assert theirs.data_refusal({"data": {"file": DIGEST}}, world.space), "the data is not shared with it"
    assert not theirs.uploads([world.space])
    with pytest.raises(StoreError, match="There is no run"):
        theirs.run(world.member)
    with pytest.raises(StoreError, match="belongs to another visitor"):
        theirs.rename(world.run, "mine", by="stranger")
    (link,) = [one for one in world.store.links(world.space, by="ann") if one.kind is LinkKind.RUN]
    with pytest.raises(StoreError):
        world.store.revoke(link.id, by="stranger")
    world.store.revoke(link.id, by="olga")
    with pytest.raises(StoreError, match="There is no run"):
        theirs.run(world.run)


def test_a_link_to_a_comparison_opens_its_runs(world: World) -> None:
    key = world.store.publish(LinkKind.COMPARISON, world.comparison, by="ann")
    theirs = world.store.acting_for("stranger", keys=[key])
    assert theirs.comparison(world.comparison).title == "Q"
    assert [one.run.id for one in theirs.members(world.comparison)] == [world.member]
    assert theirs.run(world.member).id == world.member
    with pytest.raises(StoreError, match="There is no run"):
        theirs.run(world.run)


def test_a_link_ends(world: World) -> None:
    key = world.store.publish(LinkKind.RUN, world.run, by="ann", days=1)
    invitation = world.store.invite(world.space, Role.MEMBER, by="ann", days=1)
    with world.store.writing() as connection:
        connection.execute(sa.update(links).values(expires=datetime(2020, 1, 1, tzinfo=UTC)))
    with pytest.raises(StoreError, match="There is no run"):
        world.store.acting_for("stranger", keys=[key]).run(world.run)
    for wrong in (invitation, "nonsense", "", key):
        with pytest.raises(StoreError, match="has expired or was revoked"):
            world.store.join(wrong, "Sue", by="stranger")


def test_an_invitation_raises_a_role_and_lowers_none(world: World) -> None:
    store = world.store
    store.join(store.invite(world.space, Role.EDITOR, by="ann"), "Vera", by="vera")
    store.join(store.invite(world.space, Role.VIEWER, by="ann"), "Olga", by="olga")
    assert (store.roles("vera")[world.space], store.roles("olga")[world.space]) == (Role.EDITOR, Role.OWNER)


def test_a_run_moves_with_the_right_to_its_file(world: World) -> None:
    store = world.store
    other = store.create_space(SpaceKind.PROJECT, "Elsewhere", by="ann", name="Ann")
    store.acting_for("ann", other).move_run(world.run, by="ann")
    moved = store.run(world.run)
    assert (moved.space, moved.number, moved.owner) == (other, 1, "ann")
    assert [one.digest for one in store.uploads([other])] == [DIGEST]
    with pytest.raises(StoreError, match="There is no run"):
        store.acting_for("vera").run(world.run)
    with pytest.raises(StoreError, match="Move the comparison"):
        store.acting_for("ann", other).move_run(world.member, by="ann")
    with pytest.raises(StoreError, match="not a member"):
        store.acting_for("eda", other).move_comparison(world.comparison, by="eda")
    store.acting_for("ann", other).move_comparison(world.comparison, by="ann")
    assert store.run(world.member).space == store.comparison(world.comparison).space == other


def test_a_trial_is_added_to_the_space_of_its_search(world: World) -> None:
    assert world.store.comparison(world.search).search is SearchState.RUNNING
    world.store.add_trial(world.search, 0, "a trial", RunConfig().to_dict())
    assert [one.run.space for one in world.store.members(world.search)] == [world.space]


def test_progress_is_a_persons_own_in_each_space(world: World) -> None:
    """Also of a member, and of nobody who has left."""
    for person in ("max", "olga"):
        theirs = world.store.acting_for(person, world.space)
        theirs.save_progress(person, "dropout", "prediction-1", person)
        world.store.acting_for(person).save_progress(person, "dropout", "prediction-1", "alone")
    mine = world.store.acting_for("max", world.space)
    assert mine.lesson_progress("max") == {"dropout": {"prediction-1": "max"}}
    assert mine.lesson_progress("olga") == {}
    assert world.store.acting_for("max").lesson_progress("max") == {"dropout": {"prediction-1": "alone"}}
    mine.save_progress("max", "dropout", "prediction-1", [1.0, math.nan])
    mine.save_progress("max", "dropout", "step", 2)
    (kept,) = mine.lesson_progress("max").values()
    assert list(kept) == ["prediction-1", "step"]
    assert kept["prediction-1"][0] == 1, "replaced"
    world.store.remove_member(world.space, "max", by="olga")
    assert mine.lesson_progress("max") == {}
    with pytest.raises(StoreError, match="not a member"):
        mine.save_progress("max", "dropout", "step", 3)
    others = world.store.acting_for("olga", world.space)
    others.forget_progress("olga", "dropout")
    assert others.lesson_progress("olga") == {}
    assert world.store.acting_for("olga").lesson_progress("olga") != {}, "that of another space stays"


def test_progress_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.store.lessons.MAX_ITEMS", 2)
    store = world.store.acting_for("max")
    for item in ("a", "b", "b"):
        store.save_progress("max", "dropout", item, 1)
    with pytest.raises(StoreError, match="2 items of this lesson, the most"):
        store.save_progress("max", "dropout", "c", 1)
    with pytest.raises(StoreError, match="at most 100 characters"):
        store.save_progress("max", "x" * 101, "a", 1)


@pytest.mark.parametrize("name", ["", " ", "x" * 41, "y" * 10_000])
def test_names_are_bounded(world: World, name: str) -> None:
    key = world.store.invite(world.space, Role.MEMBER, by="ann")
    with pytest.raises(StoreError, match="use 1 to 40"):
        world.store.join(key, name, by="sue")


def test_the_command_line_makes_a_space_and_trains_in_it(tmp_path, command):
    code, space, err = command("new-space", "Delivery times")
    assert (code, "python -m trainer invite" in err) == (0, True)
    space = space.strip()
    _, address, _ = command("invite", space, "--role", "editor")
    store = Store(f"sqlite:///{tmp_path / 'trainscope.db'}")
    store.join(address.strip().removeprefix("/spaces?join="), "Ada", by="ada")
    assert store.roles("ada")[space] is Role.EDITOR
    assert command("spaces")[1] == f"{space}  Delivery times (project, 2 members)\n"
    assert json.loads(command("spaces", "--json")[1])["members"] == 2
    assert cli(tmp_path, "run", "--set", *FAST, "--space", space, "--json")[0] == 0
    assert store.acting_for("ada").run(1).space == space
    code, _, err = command("run", "--set", *FAST, "--space", "nowhere")
    assert (code, err.count("\n")) == (2, 1)
    assert "There is no space 'nowhere'" in err
    for days in ("0", "-1", "nan", "x"):
        assert command("invite", space, "--days", days)[0] == 2
    store.close()


def test_what_was_there_before_is_in_private_spaces_and_in_the_installations(tmp_path):
    """A database of the version before spaces."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    database = Database(url, migrate=False)
    config = alembic_config()
    with database.writing() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0011")
        for number, owner in enumerate(("ann", COMMAND_LINE), 1):
            row = {"id": number, "number": 1, "owner": owner, "version": number, "place": number}
            connection.execute(sa.text(OLD_RUN), row)
            connection.execute(sa.text(OLD_UPLOAD), {"owner": owner, "digest": DIGEST})
    database.close()
    store = Store(url)
    assert [(one.space, one.owner) for one in store.runs()] == [(COMMAND_LINE, COMMAND_LINE), ("ann", "ann")]
    assert [one.id for one in store.acting_for("ann").runs()] == [2, 1]
    assert [one.id for one in store.acting_for("bob").runs()] == [2]
    assert len(store.uploads(["ann", COMMAND_LINE])) == 2
    store.rename(1, "mine", by="ann")
    with pytest.raises(StoreError, match="only the command line can change it"):
        store.rename(2, "mine", by="ann")
    store.close()


OLD_RUN = (
    "INSERT INTO runs (id, number, owner, name, notes, archived, status, config, created, attempt, beat, progress, notices, "
    "version, place, losses, lost_step) VALUES (:id, :number, :owner, '', '', false, 'stopped', '{}', "
    "'2026-01-01 00:00:00', 1, 0, '{}', '[]', :version, :place, 0, -1)"
)
OLD_UPLOAD = (
    "INSERT INTO uploads (owner, digest, name, kind, bytes, created) "
    "VALUES (:owner, :digest, 'houses.csv', 'table', 1, '2026-01-01 00:00:00')"
)
