"""One value of a configuration, checked against the registry: a technique with its knobs, or a single knob."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from trainer.registry import Knob, families

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
"""A number as text. Python would also take 1_0, digits of other scripts, and spaces or a line break around it."""


class ConfigError(ValueError):
    """A configuration that cannot run. The message is one sentence with the value and the remedy."""


@dataclass(frozen=True)
class Choice:
    """One technique chosen from its family, with the values of all its knobs."""

    name: str
    knobs: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Returns the nested form, for JSON."""
        return {"name": self.name, **self.knobs}


def choose(family: str, value: Any) -> Choice:
    """Validates a choice given as a name, or as an object with `name` and knobs. Raises ConfigError.

    In a family with a single technique, a bare value sets its first knob: `dropout=0.5`.
    """
    if isinstance(value, Choice):
        value = value.to_dict()
    known = families()[family]
    only = next(iter(known.techniques.values())) if len(known.techniques) == 1 else None
    if only and not isinstance(value, Mapping) and value != only.name:
        value = {next(iter(only.knobs)): value}
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{family} takes a name or an object with a name; got {short_repr(value)}.")
    name = value.get("name", only.name if only else known.default)
    if not isinstance(name, str) or name not in known.techniques:
        raise ConfigError(unknown(family, name, known.techniques))
    knobs = known[name].knobs
    for key in value:
        if key != "name" and key not in knobs:
            raise ConfigError(
                unknown(f"knob of {family}={name}", f"{family}.{key}", [f"{family}.{k}" for k in knobs])
            )
    return Choice(
        name,
        MappingProxyType(
            {key: check(f"{family}.{key}", item, value.get(key, item.default)) for key, item in knobs.items()}
        ),
    )


def check(key: str, knob: Knob, value: Any) -> Any:
    """Validates a knob's value, given in its own type or as text. Raises ConfigError with the key, the value and the bounds."""
    try:
        if knob.default is None and value == "":  # as a link or the command line says nothing
            return None
        if isinstance(value, bool) and knob.kind in ("int", "float"):  # pydantic would take it as 0 or 1
            raise ConfigError(f"{key} is {value}, but must be a number {knob.bounds}.")
        if knob.kind in ("int", "float") and isinstance(value, str) and not _NUMBER.fullmatch(value):
            raise ConfigError(
                f"{key} is {short_repr(value)}, which is no plain number; it must be {_allowed(knob)}."
            )
        return knob.adapter.validate_python(value)
    except ValidationError as error:
        if knob.kind == "text":  # its help says in words what the pattern requires
            raise ConfigError(f"Invalid value {short_repr(value)} for {key}. {knob.help}") from None
        reason = error.errors()[0]["msg"]
        raise ConfigError(
            f"{key} is {short_repr(value)}, but must be {_allowed(knob)} ({reason[0].lower()}{reason[1:]})."
        ) from None


def _allowed(knob: Knob) -> str:
    return knob.bounds or {"int": "a whole number", "float": "a number"}[knob.kind]


def unknown(kind: str, name: Any, known: Iterable[str]) -> str:
    """Returns a sentence about a name that does not exist, with the closest names that do."""
    known = list(known)
    close = difflib.get_close_matches(name[:80], known, n=3, cutoff=0.5) if isinstance(name, str) else []
    if close:
        hint = f"did you mean {' or '.join(close)}?"
    else:
        listed = ", ".join(known[:12]) + (" and more" if len(known) > 12 else "")
        hint = f"choose one of {listed}." if known else "it has none."
    return f"There is no {kind} called {short_repr(name)}; {hint}"


def short_repr(value: Any) -> str:
    """Returns a value as an error shows it, whatever its size."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of over 4,300 digits, lists nested a thousand deep
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= 80 else text[:77] + "…"
