"""Shared spaces as people see them: make one, invite, join, look after the members, let others look by a link."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.spaces import (
    COMMAND_LINE,
    Invitation,
    Link,
    LinkKind,
    Membership,
    Role,
    Space,
    SpaceKind,
    refusal,
)
from trainer.spaces.limits import Limits, LimitValueError, changed
from trainer.store.access import digest_of, roles_of
from trainer.store.comparisons import get_comparison
from trainer.store.database import StoreError, tick
from trainer.store.limits import LimitStore
from trainer.store.runs import bounded, clean, get_run
from trainer.store.schema import links, memberships, spaces

MAX_NAME: Final = 40
"""Characters of a member's name."""
MAX_MEMBERS, MAX_SPACES, MAX_LINKS = 500, 50, 100
"""Members of a space, spaces of a person, and links of a space."""
LINK_DAYS: Final = 30
"""Days for which a link holds, unless it is revoked before."""
EXPIRED: Final = "This link is wrong, has expired or was revoked. Ask for a new one."


class SpaceStore(LimitStore):
    """What people do with spaces. Each method is one transaction. A change names who asks for it, `by`, and raises StoreError
    where they may not."""

    def create_space(self, kind: SpaceKind, title: str, *, by: str, name: str) -> str:
        """Adds a project whose owner is `by`, under `name` there, and returns its id."""
        with self.writing() as connection:
            tick(connection)
            return add_space(connection, kind, title, by, name)

    def spaces(self, person: str | None) -> list[Space]:
        """Returns the shared spaces that a person is a member of, or all of them, by title."""
        statement = sa.select(*SPACE_COLUMNS).order_by(spaces.c.title, spaces.c.id)
        if person is not None:
            own = sa.select(memberships.c.space).where(memberships.c.person == person)
            statement = statement.where(spaces.c.id.in_(own))
        with self.reading() as connection:
            return [Space(**row._mapping) for row in connection.execute(statement)]

    def memberships(self, space: str, *, by: str) -> list[Membership]:
        """Returns the members, by name."""
        statement = sa.select(*_MEMBERSHIP).where(memberships.c.space == space).order_by(memberships.c.name)
        with self.reading() as connection:
            require_role(connection, space, by, Role.VIEWER)
            return [Membership(**row._mapping) for row in connection.execute(statement)]

    def rename_space(self, space: str, title: str, *, by: str) -> None:
        """Sets the title."""
        if not (title := bounded("name", title.strip())):
            raise StoreError("The space has no title; give it one.")
        self._change_space(space, by, title=title)

    def archive_space(self, space: str, archived: bool = True, *, by: str) -> None:
        """Archives the space, or (False) opens it again."""
        self._change_space(space, by, archived=archived)

    def set_limits(self, space: str, values: Mapping[str, int | None], *, by: str) -> None:
        """Sets limits of the space, by the names in trainer/spaces/limits.py; None for the usual one. They hold for what is added
        or resumed from then on. Raises StoreError for more than the installation allows."""
        with self.writing() as connection:
            tick(connection)
            require_role(connection, space, by, Role.OWNER)
            before = connection.execute(_LIMITS, {"space": space}).scalar()
            if before is None:
                raise StoreError(
                    "This space is not shared: what it may take are settings of the installation."
                )
            try:
                found = changed(before, values, self.limits or Limits())
            except LimitValueError as error:
                raise StoreError(str(error)) from error
            connection.execute(sa.update(spaces).where(spaces.c.id == space), {"limits": found})

    def set_role(self, space: str, person: str, role: Role, *, by: str) -> None:
        """Gives a member another role."""
        with self.writing() as connection:
            tick(connection)
            require_role(connection, space, by, Role.OWNER)
            _require_another_owner(connection, space, person, unless=role)
            connection.execute(sa.update(memberships).where(_of(space, person)), {"role": role})

    def remove_member(self, space: str, person: str, *, by: str) -> None:
        """Ends a membership: one's own, or as an owner anybody's. What they made stays in the space."""
        with self.writing() as connection:
            tick(connection)
            if person != by:
                require_role(connection, space, by, Role.OWNER)
            _require_another_owner(connection, space, person)
            connection.execute(sa.delete(memberships).where(_of(space, person)))

    def invite(self, space: str, role: Role, *, by: str, days: float = LINK_DAYS) -> str:
        """Returns the key of a new link to a space, which makes whoever follows it a member with this role."""
        with self.writing() as connection:
            tick(connection)
            require_role(connection, space, by, Role.OWNER)
            return _add_link(connection, LinkKind.SPACE, space, None, role, by, days)

    def publish(self, kind: LinkKind, number: int, *, by: str, days: float = LINK_DAYS) -> str:
        """Returns the key of a new link to a run or a comparison, with which everybody may look at it."""
        with self.writing() as connection:
            tick(connection)
            thing = (
                get_run(connection, number) if kind is LinkKind.RUN else get_comparison(connection, number)
            )
            if reason := refusal(thing, by, roles_of(connection, by), kind):
                raise StoreError(reason)
            return _add_link(connection, kind, thing.space, number, None, by, days)

    def invitation(self, key: str) -> Invitation:
        """Returns what a link to a space invites to. Raises StoreError where it does not hold."""
        with self.reading() as connection:
            return _invitation(connection, key)

    def join(self, key: str, name: str, *, by: str) -> Space:
        """Makes `by` a member under `name`, and returns the space. A member who follows another link keeps the higher role."""
        with self.writing() as connection:
            tick(connection)
            invited = _invitation(connection, key)
            known = roles_of(connection, by).get(invited.space.id)
            if known is None:
                add_member(connection, invited.space.id, by, name, invited.role)
            elif not known.includes(invited.role):
                found = _of(invited.space.id, by)
                connection.execute(sa.update(memberships).where(found), {"role": invited.role})
            return invited.space

    def links(self, space: str, *, by: str) -> list[Link]:
        """Returns a space's links that still hold, newest first: an owner's all, and else those that `by` has made."""
        statement = sa.select(*_LINK).where(links.c.space == space, links.c.expires > datetime.now(UTC))
        with self.reading() as connection:
            role = roles_of(connection, by).get(space)
            if by != COMMAND_LINE and role is not Role.OWNER:
                statement = statement.where(links.c.created_by == by)
            return [Link(**row._mapping) for row in connection.execute(statement.order_by(links.c.id.desc()))]

    def revoke(self, link_id: int, *, by: str) -> None:
        """Ends a link: an owner of its space any, others their own. What is looked at by it is so no more."""
        with self.writing() as connection:
            tick(connection)
            link = connection.execute(sa.select(*_LINK).where(links.c.id == link_id)).first()
            if link is None:
                return
            if link.created_by != by:
                require_role(connection, link.space, by, Role.OWNER)
            connection.execute(sa.delete(links).where(links.c.id == link_id))

    def _change_space(self, space: str, by: str, **values: Any) -> None:
        with self.writing() as connection:
            tick(connection)
            require_role(connection, space, by, Role.OWNER)
            connection.execute(sa.update(spaces).where(spaces.c.id == space), values)


def add_space(connection: Connection, kind: SpaceKind, title: str, by: str, name: str, **values: Any) -> str:
    """Adds a space inside a transaction; see `SpaceStore.create_space`."""
    if not (title := bounded("name", title.strip())):
        raise StoreError("The space has no title; give it one.")
    space = secrets.token_hex(8)
    row = {"id": space, "kind": kind, "title": title, "archived": False, "created": datetime.now(UTC)}
    connection.execute(sa.insert(spaces), row | values)
    add_member(connection, space, by, name, Role.OWNER)
    return space


def require_role(connection: Connection, space: str, by: str, role: Role) -> None:
    """Raises StoreError where `by` does not have this role in a space, or none that includes it."""
    own = roles_of(connection, by).get(space)
    if by == COMMAND_LINE or (own is not None and own.includes(role)):
        return
    if own is None:
        raise StoreError("You are not a member of this space. Ask one of its owners for an invitation.")
    raise StoreError(f"Only an {role} of this space can do that; you are a {own}.")


def _require_another_owner(
    connection: Connection, space: str, person: str, unless: Role | None = None
) -> None:
    owners = connection.execute(_OWNERS, {"space": space}).scalars().all()
    if unless is not Role.OWNER and owners == [person]:
        raise StoreError("A space needs an owner. Make another member an owner first, or archive the space.")


def add_member(connection: Connection, space: str, person: str, name: str, role: Role) -> None:
    """Makes a person a member under a name. Raises StoreError where one of the two is too many or the name cannot be used."""
    if not (name := clean(name).strip()) or len(name) > MAX_NAME:
        raise StoreError(f"The name {name[:MAX_NAME]!r} has {len(name):,} characters; use 1 to {MAX_NAME}.")
    counts = [
        connection.execute(_COUNT.where(column == one)).scalar_one()
        for column, one in _counted(space, person)
    ]
    if counts[0] >= MAX_MEMBERS:
        raise StoreError(f"This space has {counts[0]} members, the most that it may have.")
    if counts[1] >= MAX_SPACES and person != COMMAND_LINE:
        raise StoreError(f"You are in {counts[1]} spaces, the most for one person. Leave one first.")
    row = {"space": space, "person": clean(person), "name": name, "role": role, "joined": datetime.now(UTC)}
    connection.execute(sa.insert(memberships), row)


def _counted(space: str, person: str) -> list[tuple[sa.Column[str], str]]:
    return [(memberships.c.space, space), (memberships.c.person, person)]


def _add_link(
    connection: Connection,
    kind: LinkKind,
    space: str,
    opens: int | None,
    role: Role | None,
    by: str,
    days: float,
) -> str:
    now = datetime.now(UTC)
    connection.execute(sa.delete(links).where(links.c.expires <= now))
    if connection.execute(_LINKS, {"space": space}).scalar_one() >= MAX_LINKS:
        raise StoreError(f"This space has {MAX_LINKS} links, the most that it may have. Revoke one first.")
    key = secrets.token_urlsafe(16)
    row = {"digest": digest_of(key), "kind": kind, "space": space, "opens": opens, "role": role}
    times = {"created_by": by, "created": now, "expires": now + timedelta(days=days)}
    connection.execute(sa.insert(links), row | times)
    return key


def _invitation(connection: Connection, key: str) -> Invitation:
    row = (
        connection.execute(_INVITED, {"digest": digest_of(key), "now": datetime.now(UTC)}).mappings().first()
    )
    if row is None:
        raise StoreError(EXPIRED)
    return Invitation(Space(**{column.name: row[column] for column in SPACE_COLUMNS}), row[links.c.role])


def _of(space: str, person: str) -> sa.ColumnElement[bool]:
    return (memberships.c.space == space) & (memberships.c.person == person)


SPACE_COLUMNS = [spaces.c[field.name] for field in fields(Space)]
_MEMBERSHIP = [memberships.c[field.name] for field in fields(Membership)]
_LINK = [links.c[field.name] for field in fields(Link)]
_LIMITS = sa.select(spaces.c.limits).where(spaces.c.id == sa.bindparam("space"))
_COUNT = sa.select(sa.func.count()).select_from(memberships)
_LINKS = sa.select(sa.func.count()).select_from(links).where(links.c.space == sa.bindparam("space"))
_OWNERS = sa.select(memberships.c.person).where(
    memberships.c.space == sa.bindparam("space"), memberships.c.role == Role.OWNER
)
_INVITED = (
    sa.select(*SPACE_COLUMNS, links.c.role)
    .join(links, links.c.space == spaces.c.id)
    .where(links.c.digest == sa.bindparam("digest"), links.c.expires > sa.bindparam("now"))
    .where(links.c.kind == LinkKind.SPACE, spaces.c.archived.is_(False))
)
