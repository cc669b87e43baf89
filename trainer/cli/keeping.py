"""Commands about runs that are in the store: rename, tag, archive, delete."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from trainer.cli.configuration import whole_number
from trainer.settings import Settings
from trainer.store import COMMAND_LINE, Store
from trainer.store.removal import delete_with_files


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds these commands."""
    rename = commands.add_parser("rename", help="give a run another name")
    rename.add_argument("id", type=whole_number, metavar="ID")
    rename.add_argument("name", metavar="NAME")
    rename.set_defaults(command=rename_command)

    tag = commands.add_parser("tag", help="add tags to a run, short labels that the Runs page's filter finds")
    tag.add_argument("id", type=whole_number, metavar="ID")
    tag.add_argument("tags", nargs="+", metavar="TAG")
    tag.add_argument("--undo", action="store_true", help="remove them again")
    tag.set_defaults(command=tag_command)

    archive = commands.add_parser("archive", help="hide a run from the usual list")
    archive.add_argument("id", type=whole_number, metavar="ID")
    archive.add_argument("--undo", action="store_true", help="show it again")
    archive.set_defaults(command=archive_command)

    delete = commands.add_parser("delete", help="delete a run for good, with its curves and checkpoint")
    delete.add_argument("id", type=whole_number, metavar="ID")
    delete.set_defaults(command=delete_command)


def rename_command(options: argparse.Namespace, settings: Settings) -> int:
    """Renames a run."""
    Store(settings.url).rename(options.id, options.name.strip(), by=COMMAND_LINE)
    return 0


def tag_command(options: argparse.Namespace, settings: Settings) -> int:
    """Adds tags to a run, or removes them."""
    store = Store(settings.url)
    kept = [tag for tag in store.run(options.id).tags if tag not in options.tags]
    store.set_tags(options.id, kept if options.undo else [*kept, *options.tags], by=COMMAND_LINE)
    return 0


def archive_command(options: argparse.Namespace, settings: Settings) -> int:
    """Archives a run, or shows it again."""
    Store(settings.url).archive(options.id, not options.undo, by=COMMAND_LINE)
    return 0


def delete_command(options: argparse.Namespace, settings: Settings) -> int:
    """Deletes a run with what it left on the disk."""
    delete_with_files(Store(settings.url), settings, options.id, by=COMMAND_LINE)
    print(f"Run {options.id} is deleted.", file=sys.stderr)
    return 0
