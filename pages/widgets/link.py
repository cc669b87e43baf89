"""A configuration in the address.

Two spellings mean the same. A shared link uses the command line's (`?schedule=cosine&schedule.final_lr=0.0001`): stable,
and readable by `--set`. The address bar uses the one that Streamlit's bound widgets write (`?schedule=Cosine+annealing`).
Streamlit silently drops values that its widgets refuse, so a link is read here first, with a notice for each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from pages.widgets.chart_address import PREFIX
from pages.widgets.text import shorten
from trainer.config import ConfigError, RunConfig, attributes, check, plain_knobs
from trainer.registry import Family, Knob, Technique, families

_OF_PAGES = {"run", "comparison", "baseline", "fix", "technique", "lesson", "step"}
_PAGE_PARAMETERS = frozenset({*_OF_PAGES, "space", "key", "join", "room", "embed", "embed_options"})
_FILTERS = ("runs-", "comparisons-")
MAX_NOTICES = 5


def is_pages(parameter: str) -> bool:
    """Whether a parameter of the address belongs to a page, to the chart or to Streamlit, and not to the knobs."""
    return parameter in _PAGE_PARAMETERS or parameter.startswith((PREFIX, *_FILTERS))


@dataclass(frozen=True)
class Link:
    """An address as read: flat values, notices about unknown and invalid ones, and whether it needs rewriting."""

    values: dict[str, Any]
    notices: list[str]
    rewritten: bool


def switch_of(family: Family) -> Technique | None:
    """Returns the technique that has a toggle of its own, if the family has one."""
    return next((item for item in family.techniques.values() if item.facts.get("switch")), None)


def switch_key(family: Family, technique: Technique) -> str:
    """Returns the toggle's key in the session and the address."""
    return f"{family.name}-{technique.name}"


def others(family: Family) -> list[Technique]:
    """Returns what the family's select offers: all techniques but the one with a toggle."""
    return [item for item in family.techniques.values() if not item.facts.get("switch")]


def knobs_of(values: Mapping[str, Any]) -> Iterator[tuple[str, Knob]]:
    """Yields (flat key, knob) of every value that is not a choice, given the choices in `values`."""
    for key in attributes():
        if key in families():
            for inner, knob in families()[key][values[key]].knobs.items():
                yield f"{key}.{inner}", knob
        else:
            yield key, plain_knobs()[key]


def widget_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns flat values as the values of the sidebar's widgets: one more key for each toggle."""
    found: dict[str, Any] = {}
    for family in families().values():
        switch, name = switch_of(family), values[family.name]
        if switch is not None:
            found[switch_key(family, switch)] = name == switch.name
        if len(others(family)) > 1 and (switch is None or name != switch.name):
            found[family.name] = name
    return found | {key: values[key] for key, _ in knobs_of(values) if key in values}


def current_values(state: Mapping[Any, Any]) -> dict[str, Any]:
    """Returns flat values as the sidebar's widgets are about to show them, from their `state` in the session: the reverse of
    `widget_values`. What has no state is at its default."""
    values: dict[str, Any] = {}
    for family in families().values():
        switch, rest = switch_of(family), [technique.name for technique in others(family)]
        on = switch is not None and state.get(switch_key(family, switch), family.default == switch.name)
        if switch is not None and on:
            values[family.name] = switch.name
        else:
            chosen = state.get(family.name, family.default)
            values[family.name] = chosen if chosen in rest else rest[0]
    return values | {key: state.get(key, knob.default) for key, knob in knobs_of(values)}


def changed_widget_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of the sidebar's widgets that are not at their defaults."""
    defaults = {key: knob.default for key, knob in knobs_of(values)} | _default_choices()
    return {key: value for key, value in widget_values(values).items() if value != defaults[key]}


def bound_parameters(values: Mapping[str, Any]) -> dict[str, str]:
    """Returns the address as the bound widgets keep it: labels of choices, defaults left out."""
    labels = {key: knob.labels for key, knob in knobs_of(values)}
    found = {}
    for key, value in changed_widget_values(values).items():
        if key in families():
            value = families()[key][value].label
        found[key] = _to_text(labels.get(key, {}).get(value, value))
    return found


def read_link(parameters: Mapping[str, str]) -> Link:
    """Reads either spelling. Unknown and invalid values fall back to their defaults, with a notice."""
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
        f"Unknown knob '{shorten(key, 40)}' in this link; ignored."
        for key in parameters
        if key not in expected and not is_pages(key)
    ]
    if len(notices) > MAX_NOTICES:
        notices[MAX_NOTICES:] = [
            f"{len(notices) - MAX_NOTICES} more values of this link are unknown or invalid."
        ]
    given = {key: value for key, value in parameters.items() if not is_pages(key)}
    return Link(values, notices, bool(notices) or given != bound_parameters(values))


def share_link(config: RunConfig, page: str | None, chart: Mapping[str, str]) -> str:
    """Returns a link to the Train page with the seed, every knob that is not at its default, and what is on the `chart`."""
    choices = RunConfig().flat()
    knobs = RunConfig().changed({name: getattr(config, name).name for name in families()}).flat()
    flat = {
        key: _to_text(value)
        for key, value in config.flat().items()
        if key == "seed" or value != (choices if key in families() else knobs)[key]
    }
    parts = urlsplit(page or "")
    path = parts.path.rstrip("/").rsplit("/", 1)[0] if parts.path.endswith("/runs") else parts.path
    return urlunsplit((parts.scheme, parts.netloc, path or "/", urlencode({**flat, **chart}), ""))


def _default_choices() -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    for family in families().values():
        rest = others(family)
        defaults[family.name] = family.default if family[family.default] in rest else rest[0].name
        if switch := switch_of(family):
            defaults[switch_key(family, switch)] = family.default == switch.name
    return defaults


def _choice(family: Family, parameters: Mapping[str, str], notices: list[str]) -> str:
    """Returns the technique that the address gives by name or label, or by its toggle."""
    switch = switch_of(family)
    toggle = parameters.get(switch_key(family, switch)) if switch else None
    if switch and toggle is not None:
        if toggle.lower() == "true":
            return switch.name
        if toggle.lower() != "false":
            notices.append(_notice("Unknown", toggle, switch.label, "off"))
    if (name := parameters.get(family.name)) is None:
        return family.default
    for technique in family.techniques.values():
        if name.lower() in (technique.name.lower(), technique.label.lower()):
            return technique.name
    notices.append(_notice("Unknown", name, family.label, family[family.default].label))
    return family.default


def _value(key: str, knob: Knob, parameters: Mapping[str, str], notices: list[str]) -> Any:
    """Returns the value that the address gives a knob, or its default."""
    if key not in parameters:
        return knob.default
    choices = {label: choice for choice, label in knob.labels.items()}
    try:
        return check(key, knob, choices.get(parameters[key], parameters[key]))
    except ConfigError:
        problem = "Unknown" if knob.kind == "choice" else "Invalid"
        notices.append(_notice(problem, parameters[key], knob.label, _to_text(knob.default)))
        return knob.default


def _notice(problem: str, value: str, label: str, used: str) -> str:
    return f"{problem} value '{shorten(value, 40)}' for {label}; using {used or 'none'}."


def _to_text(value: Any) -> str:
    """Returns a value as Streamlit's front end writes it into the address."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
