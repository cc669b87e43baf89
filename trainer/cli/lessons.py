"""The command lessons: lists them, and checks whether one keeps its word."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import orjson

from trainer.cli import terminal
from trainer.cli.configuration import whole_number
from trainer.foreground.requirements import require_data
from trainer.lessons.check import CORES, MAX_SECONDS, SEEDS, Checked, check
from trainer.lessons.files import read_lesson
from trainer.lessons.lesson import Lesson
from trainer.lessons.shelf import lessons
from trainer.settings import Settings

MAX_SEEDS = 50


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    parser = commands.add_parser("lessons", help="list the lessons, or check the file of one")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.set_defaults(command=list_command)
    actions = parser.add_subparsers(metavar="ACTION")
    checking = actions.add_parser(
        "check", help="parse a lesson's file, train all it asks for, and say whether its promise holds"
    )
    checking.add_argument("file", type=Path, metavar="FILE", help="such as trainer/lessons/dropout.md")
    checking.add_argument(
        "--seeds", type=_seeds, default=SEEDS, metavar="K", help=f"runs for each arm; by default {SEEDS}"
    )
    checking.add_argument("--json", action="store_true", help="print one line of JSON")
    checking.set_defaults(command=check_command)


def _seeds(text: str) -> int:
    count = whole_number(text)
    if not 1 <= count <= MAX_SEEDS:
        raise argparse.ArgumentTypeError(f"{count} seeds cannot be trained; use 1 to {MAX_SEEDS}")
    return count


def list_command(options: argparse.Namespace, settings: Settings) -> int:
    """Prints the lessons."""
    if options.json:
        listed = [
            {"name": one.name, "title": one.title, "family": one.family, "minutes": one.minutes}
            for one in lessons().values()
        ]
        print(orjson.dumps(listed).decode())
        return 0
    rows = [["name", "minutes", "family", "title", "question"]]
    rows += [
        [one.name, str(one.minutes), one.family_label, one.title, one.question] for one in lessons().values()
    ]
    print(terminal.columns(rows))
    return 0


def check_command(options: argparse.Namespace, settings: Settings) -> int:
    """Checks a file. Exit code 1 where the lesson does not keep its word."""
    lesson = read_lesson(options.file)
    for config in lesson.configs.values():
        require_data(config, settings)
    if not options.json:
        print(f"Training {len(lesson.configs)} arms with {options.seeds} seeds each…", file=sys.stderr)
    checked = check(lesson, options.seeds, settings.data)
    if options.json:
        values = [{"holds": one.holds, "says": one.sentence} for one in checked.findings]
        print(
            orjson.dumps(
                {
                    "lesson": lesson.name,
                    "holds": checked.holds,
                    "seconds": checked.seconds,
                    "findings": values,
                }
            ).decode()
        )
    else:
        print("\n".join(_lines(lesson, checked)))
    return 0 if checked.holds else 1


def _lines(lesson: Lesson, checked: Checked) -> list[str]:
    found = [f"{'holds' if one.holds else 'FAILS'}  {one.sentence}" for one in checked.findings]
    time = f"Its runs take about {checked.seconds:.1f} s together on {CORES} cores of this machine"
    if checked.is_slow:
        found.append(
            f"Warning: {time[0].lower()}{time[1:]}, more than the {MAX_SECONDS} s that a lesson may take. Use fewer epochs, "
            "arms or samples."
        )
    else:
        found.append(f"{time}; a lesson may take {MAX_SECONDS} s.")
    failed = sum(not one.holds for one in checked.findings)
    found.append(
        f"{lesson.title}: "
        + ("the lesson keeps its word." if checked.holds else f"{failed} of these do not hold. Change them.")
    )
    return found
