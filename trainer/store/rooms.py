"""Rooms: a teacher opens one, a class joins by its code, and the teacher looks after it until it ends."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import SearchState
from trainer.spaces import Role, Space, SpaceKind
from trainer.store.access import roles_of
from trainer.store.database import StoreError, tick
from trainer.store.runs import LIVE, RUN_COLUMNS, as_run, request_run
from trainer.store.schema import comparisons, members, memberships, runs, spaces
from trainer.store.searches import SearchStore
from trainer.store.spaces import SPACE_COLUMNS, add_member, add_space, require_role

LETTERS: Final = "ABCDEFGHJKMNPQRSTWXYZ"
"""What codes consist of: no letter that looks like another or like a digit."""
CODE_LENGTH: Final = 6
MAX_HOURS: Final = 24 * 365
_GUEST: Final = "Guest"


class RoomStore(SearchStore):
    """Each method is one transaction, unless it says otherwise. A change names who asks for it, `by`, and raises StoreError
    where they may not; what a teacher does asks for an owner of the room."""

    def open_room(self, title: str, hours: float, *, by: str, name: str) -> str:
        """Adds a room that ends after so many hours, whose owner is `by`, under `name` there. Returns its id."""
        with self.writing() as connection:
            tick(connection)
            values = {"code": _unused_code(connection), "ends": _end(hours)}
            return add_space(connection, SpaceKind.ROOM, title, by, name, **values)

    def room_with(self, code: str) -> Space:
        """Returns the room that people join by this code, however it is written. Raises StoreError where there is none."""
        with self.reading() as connection:
            return _room_with(connection, code)

    def join_room(self, code: str, name: str, *, by: str) -> Space:
        """Makes `by` a member of a room under `name`, and returns it. For who is a member already, nothing changes."""
        with self.writing() as connection:
            tick(connection)
            room = _room_with(connection, code)
            if room.id in roles_of(connection, by):
                return room
            if room.locked:
                raise StoreError(
                    f"The room {room.title!r} is locked: nobody new can join. Ask its teacher to unlock it."
                )
            same = sa.func.lower(memberships.c.name) == name.strip().lower()
            if connection.execute(
                sa.select(memberships.c.person).where(memberships.c.space == room.id, same)
            ).first():
                raise StoreError(
                    f"Somebody here is called {name.strip()!r} already. Add a letter or a number."
                )
            add_member(connection, room.id, by, name, Role.MEMBER)
            return room

    def lock_room(self, space: str, locked: bool = True, *, by: str) -> None:
        """Lets nobody new in, or (False) everybody who has the code."""
        with self.writing() as connection:
            _change_room(connection, space, by, locked=locked)

    def extend_room(self, space: str, hours: float, *, by: str) -> None:
        """Lets a room end so many hours from now; one that has ended opens again, with a new code."""
        with self.writing() as connection:
            code = connection.execute(sa.select(spaces.c.code).where(spaces.c.id == space)).scalar()
            _change_room(connection, space, by, ends=_end(hours), code=code or _unused_code(connection))

    def end_room(self, space: str, *, by: str) -> None:
        """Ends a room: its code lets nobody in, what trains is stopped, and all of it can still be looked at."""
        with self.writing() as connection:
            _change_room(connection, space, by, ends=datetime.now(UTC), code=None)
        self.stop_all(space, by=by)

    def hide_name(self, space: str, person: str, *, by: str) -> None:
        """Replaces the name of a member by "Guest" and a number. What it was is not kept."""
        with self.writing() as connection:
            tick(connection)
            require_role(connection, space, by, Role.OWNER)
            taken = set(
                connection.execute(
                    sa.select(memberships.c.name).where(memberships.c.space == space)
                ).scalars()
            )
            number = next(number for number in range(1, len(taken) + 2) if f"{_GUEST} {number}" not in taken)
            own = (memberships.c.space == space) & (memberships.c.person == person)
            connection.execute(sa.update(memberships).where(own), {"name": f"{_GUEST} {number}"})

    def stop_all(self, space: str, *, by: str) -> int:
        """Stops all searches and runs of a shared space, and returns how many runs there were. Each search is a transaction of
        its own, since it must begin no trial after those that are stopped."""
        with self.reading() as connection:
            require_role(connection, space, by, Role.OWNER)
        for search in self.live_searches():
            if search.space == space:
                self.stop_search(search.id, by=by)
        with self.writing() as connection:
            version = tick(connection)
            require_role(connection, space, by, Role.OWNER)
            live = sa.select(*RUN_COLUMNS).where(runs.c.space == space, runs.c.status.in_(LIVE))
            found = connection.execute(live).all()
            for row in found:
                request_run(connection, as_run(row), RequestKind.STOP, version)
            return len(found)

    def clear_space(self, space: str, *, by: str) -> int:
        """Archives all runs of a shared space that are over, and all comparisons without others; returns how many runs."""
        with self.writing() as connection:
            version = tick(connection)
            require_role(connection, space, by, Role.OWNER)
            live = runs.c.status.in_(LIVE)
            under_way = (
                sa.select(members.c.comparison_id).join(runs, runs.c.id == members.c.run_id).where(live)
            )
            searched = comparisons.c.search == SearchState.RUNNING
            over = {
                runs: ~live,
                comparisons: comparisons.c.id.not_in(under_way) & searched.is_not(True),
            }
            counts = [
                connection.execute(
                    sa.update(table).where(table.c.space == space, table.c.archived.is_(False), condition),
                    {"archived": True, "version": version},
                ).rowcount
                for table, condition in over.items()
            ]
            return counts[0]


def plain_code(code: str) -> str:
    """Returns a code as the store keeps it: capital letters, without what people put between them."""
    return "".join(letter for letter in code.upper() if letter.isascii() and letter.isalpha())


def _change_room(connection: Connection, space: str, by: str, **values: Any) -> None:
    tick(connection)
    require_role(connection, space, by, Role.OWNER)
    room = (spaces.c.id == space) & (spaces.c.kind == SpaceKind.ROOM)
    if connection.execute(sa.update(spaces).where(room), values).rowcount == 0:
        raise StoreError("This space is no room: people come into it by invitation, and it does not end.")


def _room_with(connection: Connection, code: str) -> Space:
    found = connection.execute(_ROOM, {"code": plain_code(code), "now": datetime.now(UTC)}).first()
    if found is None:
        raise StoreError(
            f"There is no room with the code {code[:20]!r}. Check its six letters, or ask for a new one."
        )
    return Space(**found._mapping)


def _unused_code(connection: Connection) -> str:
    while True:
        code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))
        if connection.execute(sa.select(spaces.c.id).where(spaces.c.code == code)).first() is None:
            return code


def _end(hours: float) -> datetime:
    if not 0 < hours <= MAX_HOURS:
        raise StoreError(f"A room lives for up to {MAX_HOURS:,} hours, not {hours:g}. Choose another time.")
    return datetime.now(UTC) + timedelta(hours=hours)


_ROOM = sa.select(*SPACE_COLUMNS).where(
    spaces.c.code == sa.bindparam("code"), spaces.c.ends > sa.bindparam("now"), spaces.c.archived.is_(False)
)
