"""The configuration of a command: a file, single knobs, or both."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer.config import ConfigError, RunConfig


def add_config(command: argparse.ArgumentParser) -> None:
    """Adds the arguments that make up a configuration."""
    command.add_argument(
        "config",
        nargs="?",
        type=Path,
        metavar="CONFIG.json",
        help="knobs as JSON; the others take their defaults",
    )
    command.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="KNOB=VALUE",
        help="set a knob; list-knobs lists them",
    )
    command.add_argument("--seed", metavar="N", help="short for --set seed=N")


def read_config(path: Path | None) -> RunConfig:
    """Returns the configuration in a file, or the defaults. Raises ConfigError."""
    try:
        return RunConfig.from_json(path.read_bytes()) if path else RunConfig()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text in UTF-8.") from None


def read_sets(sets: Sequence[str], seed: str | None) -> dict[str, Any]:
    """Returns the values of single knobs by flat key. Raises ConfigError."""
    values: dict[str, Any] = {}
    for item in sets:
        key, equals, value = item.partition("=")
        if not equals:
            raise ConfigError(f"--set takes knob=value, such as dropout.rate=0.5; got {item!r}.")
        values[key.strip()] = value
    if seed is not None:
        values["seed"] = seed
    return values


def whole_number(text: str) -> int:
    """Returns a run's number. `int` would also take 1_0 and digits of other scripts."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)
