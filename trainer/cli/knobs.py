"""The command list-knobs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import orjson

from trainer.cli import terminal
from trainer.config import RunConfig, attributes, label_of, plain_knobs
from trainer.registry import Knob, families
from trainer.settings import Settings


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds these commands."""
    knobs = commands.add_parser("list-knobs", help="list every knob with its default, bounds and meaning")
    knobs.add_argument("--json", action="store_true", help="print JSON")
    knobs.set_defaults(command=list_knobs)


def list_knobs(options: argparse.Namespace, settings: Settings) -> int:
    """Prints every knob, read from the registry."""
    entries = list(knob_entries())
    if options.json:
        print(orjson.dumps(entries, option=orjson.OPT_INDENT_2).decode())
    else:
        print(terminal.knob_table(entries))
    return 0


def knob_entries() -> Sequence[dict[str, Any]]:
    """Returns all knobs as plain values, in the sidebar's order: choices, then the knobs of each technique."""
    defaults, entries = RunConfig(), []
    for name in attributes():
        family = families().get(name)
        if family is None:
            entries.append(knob_entry(name, plain_knobs()[name], label_of(name, defaults)))
            continue
        entries.append(
            {
                "knob": name,
                "label": family.label,
                "kind": "choice",
                "default": family.default,
                "allowed": list(family.techniques),
                "help": family.help,
            }
        )
        for technique in family.techniques.values():
            for knob in technique.knobs.values():
                entry = knob_entry(f"{name}.{knob.name}", knob, f"{technique.label} · {knob.label}")
                entries.append({**entry, "when": f"{name}={technique.name}"})
    return entries


def knob_entry(key: str, knob: Knob, label: str) -> dict[str, Any]:
    """Returns one knob as plain values."""
    allowed = list(knob.choices) if knob.choices else knob.bounds
    return {
        "knob": key,
        "label": label,
        "kind": knob.kind,
        "default": knob.default,
        "allowed": allowed,
        "unit": knob.unit,
        "help": knob.help,
    }
