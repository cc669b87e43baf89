"""A store in one person's hands: what they may see, and where what they add goes.

`Store.acting_for` returns one. Without a person, as workers, the supervisor and the command line use it, a store sees all.
"""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from datetime import UTC, datetime
from hashlib import sha256
from typing import Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.spaces import COMMAND_LINE, LinkKind, Role, Roles, may_add
from trainer.store.database import Database, StoreError
from trainer.store.schema import comparisons, links, members, memberships, runs, spaces

MAX_ID = 2**31 - 1  # what the columns hold on PostgreSQL


class Access(Database):
    """What all parts of the store ask before they show or add anything."""

    person: str | None = None
    space: str | None = None
    keys: frozenset[str] = frozenset()
    address: str = ""

    def acting_for(
        self, person: str, space: str | None = None, keys: Collection[str] = (), address: str | None = None
    ) -> Self:
        """Returns this store as `person` may see it, over the same connections. What is added goes to `space`, by default their
        private one; `keys` are those of links that they have followed. `address` stands for the network address that they come
        from, by default that of this store; empty where there is none."""
        theirs = copy(self)
        theirs.person, theirs.space, theirs.keys = person, space, frozenset(keys)
        theirs.address = self.address if address is None else address
        return theirs

    def within(self, space: str) -> Self:
        """Returns this store, with what is added going to `space`. Raises StoreError where there is none with this id."""
        with self.reading() as connection:
            if space != COMMAND_LINE and not connection.execute(_SPACE, {"space": space}).first():
                raise StoreError(f"There is no space {space!r}. List them with: python -m trainer spaces")
        there = copy(self)
        there.space = space
        return there

    def roles(self, person: str) -> Roles:
        """Returns the person's role in each space that they may look into."""
        with self.reading() as connection:
            return roles_of(connection, person)

    def target(self, connection: Connection, by: str) -> str:
        """Returns the space that `by` adds something to. Raises StoreError where they may not."""
        space = self.space or by
        if reason := may_add(space, by, roles_of(connection, by)):
            raise StoreError(reason)
        state = connection.execute(_STATE, {"space": space}).first()
        if state is not None and state.archived:
            raise StoreError(
                "This space is archived: it can be looked at, and nothing is added. Choose another one."
            )
        if state is not None and state.ends is not None and state.ends <= datetime.now(UTC):
            raise StoreError(
                "This room has ended: it can be looked at, and nothing is added. Choose another space."
            )
        return space

    def visible(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """The condition that the person may see a row of runs, comparisons, uploads or bookmarks."""
        if self.sees_all:
            return sa.true()
        own = sa.select(memberships.c.space).where(memberships.c.person == self.person)
        seen = [table.c.space.in_((self.person, COMMAND_LINE)), table.c.space.in_(own)]
        if self.keys and table is runs:
            whole = sa.select(members.c.run_id).where(
                members.c.comparison_id.in_(self._opened(LinkKind.COMPARISON))
            )
            seen += [runs.c.id.in_(self._opened(LinkKind.RUN)), runs.c.id.in_(whole)]
        elif self.keys and table is comparisons:
            seen.append(comparisons.c.id.in_(self._opened(LinkKind.COMPARISON)))
        return sa.or_(*seen)

    def require_visible(self, connection: Connection, table: sa.Table, *ids: int) -> None:
        """Raises StoreError where one of these is not there, or not the person's to see: one sentence for both."""
        if self.sees_all or not ids:
            return
        known = [one for one in ids if 0 < one <= MAX_ID]
        found = connection.execute(sa.select(table.c.id).where(table.c.id.in_(known), self.visible(table)))
        if hidden := set(ids) - set(found.scalars()):
            kind = "run" if table is runs else "comparison"
            raise StoreError(f"There is no {kind} {min(hidden)}.")

    @property
    def sees_all(self) -> bool:
        """Whether this store is in no visitor's hands."""
        return self.person in (None, COMMAND_LINE)

    def _opened(self, kind: LinkKind) -> sa.Select[tuple[int]]:
        digests = [digest_of(key) for key in self.keys]
        return sa.select(links.c.opens).where(
            links.c.kind == kind, links.c.digest.in_(digests), links.c.expires > datetime.now(UTC)
        )


def roles_of(connection: Connection, person: str) -> dict[str, Role]:
    """Returns the person's roles inside a transaction; see `Access.roles`."""
    rows = connection.execute(_ROLES, {"person": person})
    return {COMMAND_LINE: Role.VIEWER, person: Role.OWNER, **{row.space: row.role for row in rows}}


def digest_of(key: str) -> str:
    """Returns what the store keeps of a link's key."""
    return sha256(key.encode()).hexdigest()


_SPACE = sa.select(spaces.c.id).where(spaces.c.id == sa.bindparam("space"))
_STATE = sa.select(spaces.c.archived, spaces.c.ends).where(spaces.c.id == sa.bindparam("space"))
_ROLES = sa.select(memberships.c.space, memberships.c.role).where(
    memberships.c.person == sa.bindparam("person")
)
