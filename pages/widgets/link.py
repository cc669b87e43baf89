"""A configuration in the address.

Two spellings mean the same. A shared link uses the command line's (`?schedule=cosine&schedule.final_lr=0.0001`): stable,
and readable by `--set`. The address bar uses the one that Streamlit's bound widgets write (`?schedule=Cosine+annealing`).
Streamlit silently drops what its widgets refuse, so a link is read here first: what is not possible is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from pages.widgets.text import shorten
from trainer.config import ConfigError, RunConfig, check, plain_knobs
from trainer.registry import Family, Knob, Technique, families

PAGE_PARAMETERS = frozenset(
    {"run", "technique", "embed", "embed_options"}
)  # what pages themselves keep in the address
MOST_NOTICES = 5


@dataclass(frozen=True)
class Link:
    """What an address asks for: flat values, sentences about what was not possible, and whether it needs rewriting."""

    values: dict[str, Any]
    notices: list[str]
    rewritten: bool


def switch_of(family: Family) -> Technique | None:
    """The technique that has a toggle of its own, if the family has one."""
    return next((item for item in family.techniques.values() if item.facts.get("switch")), None)


def switch_key(family: Family, technique: Technique) -> str:
    """The toggle's key in the session and the address."""
    return f"{family.name}-{technique.name}"


def others(family: Family) -> list[Technique]:
    """What the family's select offers: all but the technique with a toggle."""
    return [item for item in family.techniques.values() if not item.facts.get("switch")]


def knobs_of(values: Mapping[str, Any]) -> Iterator[tuple[str, Knob]]:
    """(flat key, knob) of every value that is not a choice, given the choices in `values`."""
    for name in RunConfig.model_fields:
        if name in families():
            for inner, knob in families()[name][values[name]].knobs.items():
                yield f"{name}.{inner}", knob
        else:
            yield name, plain_knobs()[name]


def widget_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Flat values as the values of the sidebar's widgets: one key more for each toggle."""
    found: dict[str, Any] = {}
    for family in families().values():
        switch, name = switch_of(family), values[family.name]
        if switch is not None:
            found[switch_key(family, switch)] = name == switch.name
        if len(others(family)) > 1 and (switch is None or name != switch.name):
            found[family.name] = name
    return found | {key: values[key] for key, _ in knobs_of(values) if key in values}


def bound_parameters(values: Mapping[str, Any]) -> dict[str, str]:
    """The address as the bound widgets keep it: labels of choices, defaults left out."""
    usual = {key: knob.default for key, knob in knobs_of(values)} | _default_choices()
    labels = {key: knob.labels for key, knob in knobs_of(values)}
    found = {}
    for key, value in widget_values(values).items():
        if value != usual[key]:
            if key in families():
                value = families()[key][value].label
            found[key] = _written(labels.get(key, {}).get(value, value))
    return found


def read_link(parameters: Mapping[str, str]) -> Link:
    """Reads either spelling. What is unknown or out of bounds falls back to its default, with a notice."""
    values: dict[str, Any] = {}
    notices: list[str] = []
    for family in families().values():
        values[family.name] = _choice(family, parameters, notices)
    expected = set(values) | {
        switch_key(family, switch) for family in families().values() if (switch := switch_of(family))
    }
    for key, knob in knobs_of(values):
        expected.add(key)
        values[key] = _value(key, knob, parameters, notices)
    notices += [
        f"This link asked for {shorten(key, 40)}, which is not a knob here; it is ignored."
        for key in parameters
        if key not in expected | PAGE_PARAMETERS
    ]
    if len(notices) > MOST_NOTICES:
        notices[MOST_NOTICES:] = [
            f"{len(notices) - MOST_NOTICES} more values of this link were not possible."
        ]
    asked = {key: value for key, value in parameters.items() if key not in PAGE_PARAMETERS}
    return Link(values, notices, bool(notices) or asked != bound_parameters(values))


def share_link(config: RunConfig, page: str | None) -> str:
    """A link to the Train page with every knob that is not at its default, and the seed always."""
    usual = RunConfig().changed({name: getattr(config, name).name for name in families()}).flat()
    defaults = RunConfig().flat()
    flat = {
        key: _written(value)
        for key, value in config.flat().items()
        if key == "seed" or value != (defaults[key] if key in families() else usual[key])
    }
    parts = urlsplit(page or "")
    path = parts.path.rstrip("/").rsplit("/", 1)[0] if parts.path.endswith("/runs") else parts.path
    return urlunsplit((parts.scheme, parts.netloc, path or "/", urlencode(flat), ""))


def _default_choices() -> dict[str, Any]:
    usual: dict[str, Any] = {}
    for family in families().values():
        rest = others(family)
        usual[family.name] = family.default if family[family.default] in rest else rest[0].name
        if switch := switch_of(family):
            usual[switch_key(family, switch)] = family.default == switch.name
    return usual


def _choice(family: Family, parameters: Mapping[str, str], notices: list[str]) -> str:
    """The technique that the address names, by name or label, or by its toggle."""
    switch = switch_of(family)
    asked = parameters.get(switch_key(family, switch)) if switch else None
    if switch and asked is not None:
        if asked.lower() == "true":
            return switch.name
        if asked.lower() != "false":
            notices.append(_refused(switch.label, asked, "off"))
    if (wanted := parameters.get(family.name)) is None:
        return family.default
    for technique in family.techniques.values():
        if wanted.strip().lower() in (technique.name.lower(), technique.label.lower()):
            return technique.name
    notices.append(_refused(family.label, wanted, family[family.default].label))
    return family.default


def _value(key: str, knob: Knob, parameters: Mapping[str, str], notices: list[str]) -> Any:
    """The value that the address gives a knob, or its default."""
    if key not in parameters:
        return knob.default
    named = {label: choice for choice, label in knob.labels.items()}
    try:
        return check(key, knob, named.get(parameters[key], parameters[key]))
    except ConfigError:
        notices.append(_refused(knob.label, parameters[key], _written(knob.default)))
        return knob.default


def _refused(label: str, asked: str, used: str) -> str:
    return (
        f"This link asked for {label} “{shorten(asked, 40)}”, which is not possible; using {used or 'none'}."
    )


def _written(value: Any) -> str:
    """A value as Streamlit's front end writes it into the address."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
