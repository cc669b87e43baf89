"""Commands about data: add-data, download."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import orjson

from trainer.cli import terminal
from trainer.config import RunConfig
from trainer.data import DataError, download, missing_files
from trainer.foreground.own_data import add_file
from trainer.foreground.requirements import require_data
from trainer.registry import families
from trainer.settings import Settings


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds these commands."""
    add = commands.add_parser(
        "add-data", help="add a CSV or a zip of images, and print knobs that train on it"
    )
    add.add_argument("file", type=Path, metavar="FILE")
    add.add_argument("--target", default="", metavar="COLUMN", help="the column to predict; default: a guess")
    add.set_defaults(command=add_data_command)

    fetch = commands.add_parser("download", help="download a data set into the data folder")
    fetch.add_argument("dataset", metavar="DATASET")
    fetch.set_defaults(command=download_command)


def add_data_command(options: argparse.Namespace, settings: Settings) -> int:
    """Adds a file and prints the knobs that train on it, as JSON that `run` reads."""
    values = add_file(options.file, settings, options.target)
    config = RunConfig.from_flat(values)
    require_data(config, settings)
    print(orjson.dumps({"data": config.data.to_dict()}).decode())
    print("Save this line as CONFIG.json and train with: python -m trainer run CONFIG.json", file=sys.stderr)
    return 0


def download_command(options: argparse.Namespace, settings: Settings) -> int:
    """Downloads a data set with a progress bar."""
    known = [name for name, item in families()["data"].techniques.items() if "files" in item.facts]
    if options.dataset not in known:
        raise DataError(
            f"There is nothing to download for {options.dataset!r}; choose one of {', '.join(known)}."
        )
    if not missing_files(options.dataset, settings.data):
        print(f"{options.dataset} is in {settings.data} already.", file=sys.stderr)
        return 0
    with terminal.byte_bar(options.dataset) as show:
        download(options.dataset, settings.data, show)
    print(f"{options.dataset} is in {settings.data}.", file=sys.stderr)
    return 0
