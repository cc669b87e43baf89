"""The command report: comparisons and runs as one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from trainer.cli.configuration import whole_number
from trainer.config import ConfigError
from trainer.settings import Settings
from trainer.store import Store


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command."""
    report = commands.add_parser(
        "report", help="write comparisons and runs to one HTML file that opens without a network"
    )
    report.add_argument("comparisons", nargs="*", type=whole_number, metavar="COMPARISON_ID")
    report.add_argument(
        "--runs", nargs="+", default=[], type=whole_number, metavar="ID", help="single runs to add"
    )
    report.add_argument(
        "--output", type=Path, default=Path("report.html"), metavar="FILE", help="default: report.html"
    )
    report.set_defaults(command=report_command)


def report_command(options: argparse.Namespace, settings: Settings) -> int:
    """Writes the report and prints its path."""
    from trainer.export.report.page import (
        report_html,  # Plotly takes half a second that other commands need not wait
    )

    if not (options.comparisons or options.runs):
        raise ConfigError("A report is about something: name a comparison, or runs with --runs.")
    comparisons, runs = (list(dict.fromkeys(ids)) for ids in (options.comparisons, options.runs))
    text = report_html(Store(settings.url), comparisons, runs)
    options.output.write_text(text, encoding="utf-8")
    print(options.output)
    return 0
