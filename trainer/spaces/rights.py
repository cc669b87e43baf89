"""Who may change what: the one place that decides it. Every change that a person asks for names who asks (`by`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from trainer.spaces.spaces import Role

COMMAND_LINE = "command line"
"""Who starts runs in a terminal, and the installation's space, where they go. Everybody may look at it, and the terminal may
change everything: whoever uses it could change the database itself. No visitor's id has a space in it."""

Roles = Mapping[str, Role]
"""A person's role in each space that they may look into, by the id of the space."""


class Owned(Protocol):
    """What somebody has started, in a space."""

    @property
    def owner(self) -> str: ...
    @property
    def space(self) -> str: ...


def refusal(thing: Owned, by: str, roles: Roles, kind: str = "run") -> str | None:
    """Returns why `by`, who has these `roles`, may not change a run or another `kind` of thing, as a sentence; None where they
    may: whoever started it while they are a member, and the editors and owners of its space."""
    if by == COMMAND_LINE:
        return None
    role = roles.get(thing.space)
    if role is None:
        return f"This {kind} belongs to another visitor, so only they can change it."
    if role.includes(Role.EDITOR) or (thing.owner == by and role.includes(Role.MEMBER)):
        return None
    if thing.space == COMMAND_LINE:
        return (
            f"This {kind} was started from the command line: everybody can see it here, and only the command line can "
            "change it."
        )
    if role is Role.VIEWER:
        return f"You are a viewer in this space, so you can look at this {kind}, but not change it."
    return f"Another member of this space started this {kind}; they can change it, and the space's editors."


def may_add(space: str, by: str, roles: Roles) -> str | None:
    """Returns why `by` may not add anything to a space, as a sentence; None where they may."""
    role = roles.get(space)
    if by == COMMAND_LINE or (role is not None and role.includes(Role.MEMBER)):
        return None
    if role is None:
        return "You are not a member of this space. Ask one of its owners for an invitation."
    return "You are a viewer in this space, so you cannot add anything to it. An owner of the space can make you a member."
