"""Spaces: whose runs, comparisons and files are, and who may do what with them. The tables are in trainer/store."""

from trainer.spaces.rights import COMMAND_LINE, Owned, Roles, may_add, refusal
from trainer.spaces.spaces import Invitation, Link, LinkKind, Membership, Role, Space, SpaceKind

__all__ = [
    "COMMAND_LINE",
    "Invitation",
    "Link",
    "LinkKind",
    "Membership",
    "Owned",
    "Role",
    "Roles",
    "Space",
    "SpaceKind",
    "may_add",
    "refusal",
]
