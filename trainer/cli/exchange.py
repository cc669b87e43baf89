"""Commands that move runs between installations and programs: script, export, import."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from trainer.cli.configuration import add_config, read_config, read_sets, whole_number
from trainer.export.bundle import BundleError
from trainer.export.formats import FORMATS
from trainer.export.script import exact_script, short_script
from trainer.export.unbundle import import_bundle
from trainer.settings import Settings
from trainer.store import COMMAND_LINE, Store


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds these commands."""
    text = commands.add_parser("script", help="print a configuration as one PyTorch script")
    add_config(text)
    text.add_argument(
        "--exact", action="store_true", help="the long script that prints the run's numbers, digit for digit"
    )
    text.add_argument("--out", type=Path, metavar="PATH", help="write it to this file instead")
    text.set_defaults(command=script_command)

    export = commands.add_parser(
        "export", help="write a run's script, weights, curves, or all of it to a file"
    )
    export.add_argument("id", type=whole_number, metavar="ID")
    export.add_argument("--format", required=True, choices=FORMATS, help="; ".join(formats_in_words()))
    export.add_argument("--out", type=Path, metavar="PATH", help="the file; default: run-ID.… in this folder")
    export.set_defaults(command=export_command)

    bring = commands.add_parser("import", help="import a run that was exported as a zip")
    bring.add_argument("file", type=Path, metavar="FILE.zip")
    bring.set_defaults(command=import_command)


def script_command(options: argparse.Namespace, settings: Settings) -> int:
    """Prints the script of a configuration, which need not have been trained: the short one, or the exact one."""
    write = exact_script if options.exact else short_script
    text = write(read_config(options.config).changed(read_sets(options.set, options.seed)))
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


def export_command(options: argparse.Namespace, settings: Settings) -> int:
    """Writes a run in one of the formats and prints the path."""
    store, one = Store(settings.url), FORMATS[options.format]
    run = store.run(options.id)
    path = options.out or Path(one.file_name(run))
    path.write_bytes(one.write(store, settings, run))
    print(path)
    return 0


def formats_in_words() -> list[str]:
    """Returns each format with its label."""
    return [f"{name}: {one.label}" for name, one in FORMATS.items()]


def import_command(options: argparse.Namespace, settings: Settings) -> int:
    """Imports a run and prints its id."""
    try:
        with options.file.open("rb") as file:
            run_id = import_bundle(Store(settings.url), settings, file, COMMAND_LINE)
    except FileNotFoundError:
        raise BundleError(f"There is no file {options.file}.") from None
    print(run_id)
    return 0
