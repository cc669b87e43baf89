"""What a space is: its kind, the roles of its members, and the links that let others in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class SpaceKind(StrEnum):
    """A private space is one visitor's and has the visitor's id as its own; it needs no row. So has the installation's space,
    where the command line trains, for everybody to look at. Rooms and projects are shared."""

    PRIVATE = "private"
    INSTALLATION = "installation"
    PROJECT = "project"
    ROOM = "room"


class Role(StrEnum):
    """What a member may do, each including those before it: look; train, and change what one has started; change everything;
    and look after the space and its members."""

    VIEWER = "viewer"
    MEMBER = "member"
    EDITOR = "editor"
    OWNER = "owner"

    def includes(self, other: Role) -> bool:
        """Whether whoever has this role may do all that the other allows."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True)
class Space:
    """A shared space. Archived, it can be looked at, and nothing is added. `limits` are those that an owner has set. A room also
    has the `code` by which people join until it `ends`; locked, it lets nobody new in."""

    id: str
    kind: SpaceKind
    title: str
    created: datetime
    archived: bool
    limits: Mapping[str, int]
    code: str | None
    locked: bool
    ends: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether anything can be added."""
        return not self.archived and (self.ends is None or datetime.now(UTC) < self.ends)


@dataclass(frozen=True)
class Membership:
    """A member of a shared space, by the name that they chose for it."""

    person: str
    name: str
    role: Role
    joined: datetime


class LinkKind(StrEnum):
    """What a link opens: a space, to become a member; or one run or comparison, to look at without being one."""

    SPACE = "space"
    RUN = "run"
    COMPARISON = "comparison"


@dataclass(frozen=True)
class Link:
    """A link as its space keeps it. The key that it carries is not kept, only its digest. `role` is what a link to a space
    makes of whoever follows it; `opens` the id of a run or comparison."""

    id: int
    kind: LinkKind
    space: str
    opens: int | None
    role: Role | None
    created_by: str
    created: datetime
    expires: datetime


@dataclass(frozen=True)
class Invitation:
    """What whoever follows a link to a space is invited to."""

    space: Space
    role: Role
