"""Commands before and after training: inspect, diagnose."""

from __future__ import annotations

import argparse
from typing import Any

import orjson

from trainer.cli import terminal
from trainer.cli.configuration import add_config, read_config, read_sets, whole_number
from trainer.diagnosis import diagnose, gather
from trainer.foreground.requirements import require_data
from trainer.settings import Settings
from trainer.store import Store


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds these commands."""
    inspect = commands.add_parser(
        "inspect", help="pass one batch through the initial weights, without training"
    )
    add_config(inspect)
    inspect.add_argument("--json", action="store_true", help="print everything as one line of JSON")
    inspect.set_defaults(command=inspect_command)

    diagnosis = commands.add_parser("diagnose", help="find what went wrong with a run, and what to change")
    diagnosis.add_argument("id", type=whole_number, metavar="ID")
    diagnosis.add_argument("--json", action="store_true", help="print one line of JSON")
    diagnosis.set_defaults(command=diagnose_command)


def inspect_command(options: argparse.Namespace, settings: Settings) -> int:
    """Prints what a run would begin with; trains and saves nothing."""
    from trainer.preflight.dry_run import dry_run, question_of

    config = read_config(options.config).changed(read_sets(options.set, options.seed))
    require_data(config, settings)
    answer = dry_run(question_of(config), settings)
    if options.json:
        print(orjson.dumps(answer).decode())
    else:
        print(terminal.before_text(answer))
    return 0


def diagnose_command(options: argparse.Namespace, settings: Settings) -> int:
    """Prints the findings about a run."""
    store = Store(settings.url)
    run = store.run(options.id)
    evidence = gather(store, run)
    found = diagnose(evidence) if evidence else []
    if options.json:
        findings = [finding.to_dict() for finding in found]
        print(orjson.dumps({"run": run.id, "status": run.status, "findings": findings}).decode())
    else:
        print(terminal.diagnosis(run, evidence, found))
    return 0
