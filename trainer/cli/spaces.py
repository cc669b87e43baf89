"""Commands about spaces, and the option with which others name one."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import orjson

from trainer.settings import MEGABYTE, Settings
from trainer.spaces import COMMAND_LINE, Role, SpaceKind
from trainer.spaces.limits import RULES, Limits
from trainer.store import Store, StoreError
from trainer.store.spaces import LINK_DAYS

NAME = "Command line"
"""The name of the terminal among the members of a space that it has made."""


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds these commands."""
    listed = commands.add_parser("spaces", help="list the shared spaces")
    listed.add_argument("--json", action="store_true", help="print one line of JSON per space")
    listed.set_defaults(command=list_spaces)

    made = commands.add_parser("new-space", help="make a project, whose members see each other's runs")
    made.add_argument("title", metavar="TITLE")
    made.set_defaults(command=new_space)

    limits = commands.add_parser("limits", help="print what is used of a space's limits, or set them")
    limits.add_argument("space", metavar="SPACE")
    limits.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="LIMIT=N",
        help="limits to set; without a number, the usual one",
    )
    limits.add_argument("--json", action="store_true", help="print one line of JSON per limit")
    limits.set_defaults(command=limits_command)

    invite = commands.add_parser(
        "invite", help="print the address, after the server's, of an invitation to a space"
    )
    invite.add_argument("space", metavar="SPACE")
    invite.add_argument("--role", choices=[*Role], type=Role, default=Role.MEMBER, help="default: member")
    invite.add_argument(
        "--days", type=_days, default=LINK_DAYS, metavar="N", help=f"how long it holds; default: {LINK_DAYS}"
    )
    invite.set_defaults(command=invite_command)


def add_space(parser: argparse.ArgumentParser, name: str = "--space") -> None:
    """Adds the option that says where something new goes. A search has another name for it: its --space is that of its knobs."""
    parser.add_argument(
        name,
        dest="into",
        metavar="SPACE",
        help="the space that it goes to, see the command spaces; default: the installation's",
    )


def opened(options: argparse.Namespace, settings: Settings) -> Store:
    """Opens the store, so that what is added goes to the space of the options. Raises StoreError for an unknown one."""
    store = Store(settings.url)
    return store if options.into is None else store.within(options.into)


def list_spaces(options: argparse.Namespace, settings: Settings) -> int:
    """Prints all shared spaces."""
    store = Store(settings.url)
    for one in store.spaces(None):
        members = len(store.memberships(one.id, by=COMMAND_LINE))
        facts = {"space": one.id, "kind": one.kind, "title": one.title, "members": members}
        if options.json:
            print(orjson.dumps({**facts, "archived": one.archived, "created": one.created}).decode())
        else:
            print(f"{one.id}  {one.title} ({one.kind}, {members} {'member' if members == 1 else 'members'})")
    return 0


def new_space(options: argparse.Namespace, settings: Settings) -> int:
    """Makes a project and prints its id."""
    store = Store(settings.url)
    space = store.create_space(SpaceKind.PROJECT, options.title, by=COMMAND_LINE, name=NAME)
    print(space)
    print(f"Invite people with: python -m trainer invite {space}", file=sys.stderr)
    return 0


def limits_command(options: argparse.Namespace, settings: Settings) -> int:
    """Sets limits of a space, if there are any to set, and prints all of them with what is used by all members together."""
    store = Store(settings.url, limits=Limits.of(settings)).within(options.space)
    if options.space == COMMAND_LINE:
        raise StoreError("The installation's own space has no limits: only the command line adds to it.")
    if options.set:
        store.set_limits(options.space, dict(map(_limit, options.set)), by=COMMAND_LINE)
    usage = store.usage(COMMAND_LINE, space=options.space)
    held, used = usage.limits, usage.used
    taken = {"live_runs": used.live, "queued_runs": used.queued, "megabytes": round(used.bytes / MEGABYTE, 1)}
    for rule in RULES:
        most = getattr(held, rule.name)
        if options.json:
            print(orjson.dumps({"limit": rule.name, "most": most, "used": taken.get(rule.name)}).decode())
        else:
            of = f"{taken[rule.name]:,} of " if rule.name in taken else ""
            print(f"{rule.name:18}{of}{most:,} {rule.unit}")
    return 0


def _limit(text: str) -> tuple[str, int | None]:
    name, _, value = text.partition("=")
    try:
        return name, int(value) if value else None
    except ValueError:
        raise StoreError(f"{name} is {value!r}; use a whole number from 1, as in {name}=100.") from None


def invite_command(options: argparse.Namespace, settings: Settings) -> int:
    """Prints the address of a new invitation."""
    key = (
        Store(settings.url)
        .within(options.space)
        .invite(options.space, options.role, by=COMMAND_LINE, days=options.days)
    )
    print(f"/spaces?join={key}")
    return 0


def _days(text: str) -> float:
    days = float(text)
    if not 0 < days <= 3650:
        raise argparse.ArgumentTypeError(f"{text} days: use more than 0 and at most 3650")
    return days
