"""Commands that move runs between installations and programs: script, export, import."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from trainer.cli.configuration import add_config, read_config, read_sets, whole_number
from trainer.cli.spaces import add_space, opened
from trainer.export.bundle import BundleError
from trainer.export.collection import write_comparison, write_runs
from trainer.export.formats import FORMATS, ExportError
from trainer.export.imported_collection import import_file
from trainer.export.script import exact_script, short_script
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
        "export", help="write a run's script, weights, curves, or all of it to a file; or a whole comparison"
    )
    export.add_argument("id", nargs="*", type=whole_number, metavar="ID", help="several only as zip")
    export.add_argument("--comparison", type=whole_number, metavar="ID", help="with all its runs, as zip")
    export.add_argument("--format", choices=FORMATS, help="; ".join(formats_in_words()))
    export.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="the file; default: run-ID.…, runs.zip or comparison-ID.zip in this folder",
    )
    export.set_defaults(command=export_command)

    bring = commands.add_parser("import", help="import runs or a comparison that were exported as a zip")
    bring.add_argument("file", type=Path, metavar="FILE.zip")
    add_space(bring)
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
    """Writes a run in one of the formats, or several runs or a comparison as a zip, and prints the path."""
    store, several = Store(settings.url), options.comparison is not None or len(options.id) > 1
    if bool(options.id) == (options.comparison is not None):
        raise ExportError("Name what to export: the ID of a run, those of several, or --comparison ID.")
    if not several:
        if options.format is None:
            raise ExportError(f"Choose the format: --format {', '.join(FORMATS)}.")
        run, one = store.run(options.id[0]), FORMATS[options.format]
        path = options.out or Path(one.file_name(run))
        path.write_bytes(one.write(store, settings, run))
    elif options.format not in (None, "zip"):
        raise ExportError(
            f"Several runs are exported as zip, not as {options.format}. Export them one by one."
        )
    elif options.comparison is not None:
        store.comparison(options.comparison)
        path = options.out or Path(f"comparison-{options.comparison}.zip")
        with path.open("wb") as out:
            write_comparison(store, settings, options.comparison, out)
    else:
        runs = [store.run(one) for one in dict.fromkeys(options.id)]
        path = options.out or Path("runs.zip")
        with path.open("wb") as out:
            write_runs(store, settings, runs, out)
    print(path)
    return 0


def formats_in_words() -> list[str]:
    """Returns each format with its label."""
    return [f"{name}: {one.label}" for name, one in FORMATS.items()]


def import_command(options: argparse.Namespace, settings: Settings) -> int:
    """Imports what a zip holds and prints the ids of its runs, one a line, or that of the comparison."""
    try:
        with options.file.open("rb") as file:
            imported = import_file(opened(options, settings), settings, file, COMMAND_LINE)
    except FileNotFoundError:
        raise BundleError(f"There is no file {options.file}.") from None
    if imported.comparison is not None:
        print(f"comparison {imported.comparison}")
    else:
        print(*imported.runs, sep="\n")
    return 0
