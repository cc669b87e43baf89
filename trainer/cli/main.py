"""The command line: `python -m trainer run [CONFIG.json] [--set knob=value …] [--seed N] [--json]` and its siblings.

Messages for people go to standard error; standard output carries results alone, so that a pipe gets nothing else.
Exit codes: 0 success, 1 the run failed, 2 the input was wrong (one line tells how), 130 interrupted,
141 the reader of the output has closed it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from trainer.cli import (
    comparing,
    datasets,
    exchange,
    inspecting,
    keeping,
    knobs,
    lessons,
    reporting,
    searching,
    spaces,
    training,
)
from trainer.config import ConfigError
from trainer.data import DataError
from trainer.export.bundle import BundleError
from trainer.export.formats import ExportError
from trainer.export.script import ShortScriptError
from trainer.lessons import LessonError
from trainer.settings import SettingsError, get_settings
from trainer.store import DatabaseReplacedError, StoreError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code."""
    options = make_parser().parse_args(arguments)
    try:
        code = int(options.command(options, get_settings()))
        sys.stdout.flush()  # here, where a closed pipe can still be handled
        return code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # as after `| head -1`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (
        BundleError,
        ConfigError,
        DataError,
        ExportError,
        LessonError,
        SettingsError,
        ShortScriptError,
        StoreError,
    ) as error:
        print(f"trainer: {error}", file=sys.stderr)
        return 2
    except DBAPIError as error:
        print(f"trainer: {unreachable(error)}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"trainer: {error.filename or 'Standard output'}: {error.strerror or error}.", file=sys.stderr)
        return 1


def unreachable(error: DBAPIError) -> str:
    """Returns a sentence about a database that cannot be used."""
    if isinstance(error, DatabaseReplacedError):
        return str(error.orig)
    url, reason = make_url(get_settings().url), " ".join(str(error.orig).split())
    return (
        f"The database {url.render_as_string()} cannot be used: {reason}. Check that it exists, has space and is "
        "writable, or set TRAINSCOPE_HOME or TRAINSCOPE_DATABASE_URL to another one."
    )


class OneLineParser(argparse.ArgumentParser):
    """Prints what is wrong in one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        """Exits with code 2."""
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands and their options."""
    parser = OneLineParser(prog="python -m trainer", description="Train and compare without a browser.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    on_runs = (training, comparing, searching, keeping, inspecting)
    for family in (*on_runs, spaces, knobs, lessons, datasets, exchange, reporting):
        family.register(commands)
    return parser
