"""Where each knob lives in the sidebar, what is off its default there, and which knobs a search finds.

Keys are flat: "schedule" is the choice of a schedule, "schedule.final_lr" one of its knobs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pages.widgets.link import knobs_of, switch_of
from trainer.config import attributes, entry_of, plain_knobs
from trainer.registry import families, is_used

OPEN = "techniques"
"""The group that is not folded: what the lab is for."""

ALSO_OPEN = ("learning_rate", "model", "data")
"""Stand under the techniques; the knobs of the chosen model and data set stay in their groups."""

BEHIND_SWITCH = {"normalization": "model"}
"""The group of a family's other techniques, where one of them has a toggle in the open."""

GROUPS = {
    "model": "Model",
    "data": "Data",
    "optimization": "Optimizer",
    "regularization": "Regularization",
    "augmentation": "Augmentation",
    "text": "Text augmentation",
    "run": "Run",
    "seeds": "Seeds by purpose",
}


def names_by_group() -> dict[str, list[str]]:
    """Returns names of families and plain knobs by group: the open one first, new groups last."""
    found: dict[str, list[str]] = {group: [] for group in (OPEN, *GROUPS)}
    for name in attributes():
        if name not in ALSO_OPEN:
            found.setdefault(declared_group(name), []).append(name)
    found[OPEN] += ALSO_OPEN
    return found


def declared_group(name: str) -> str:
    """Returns the group that a family or plain knob is declared in."""
    return (families()[name].group if name in families() else plain_knobs()[name].group) or "run"


def home(key: str, values: Mapping[str, Any]) -> str:
    """Returns the group that a key's control stands in, given the choices in `values`."""
    name = entry_of(key)
    if key in ALSO_OPEN:
        return OPEN
    if name in BEHIND_SWITCH:
        switch = switch_of(families()[name])
        if switch is None or values[name] != switch.name:
            return BEHIND_SWITCH[name]
    return declared_group(name)


def group_label(title: str, changed: int) -> str:
    """Returns a folded group's label, such as "Optimizer · 2 changed"."""
    return f"{title} · {changed} changed" if changed else title


def changed_keys(values: Mapping[str, Any]) -> Iterator[str]:
    """Yields the keys whose values are in force and not their defaults."""
    for family in families().values():
        if values[family.name] != family.default:
            yield family.name
    for key, knob in knobs_of(values):
        if values[key] != knob.default and is_used(knob, values["model"]):
            yield key


def found_by(query: str) -> list[str]:
    """Returns the names of families and plain knobs that contain every word of `query`: those whose own label does come
    first, then those with a technique, knob or help that does."""
    words = query.casefold().split()
    ranked = []
    for name in (name for names in names_by_group().values() for name in names):
        texts = list(_texts(name))
        if all(word in " ".join(texts).casefold() for word in words):
            ranked.append((not all(word in texts[0].casefold() for word in words), name))
    return [name for _, name in sorted(ranked, key=lambda one: one[0])]


def knobs_elsewhere(name: str, chosen: str, query: str) -> dict[str, list[str]]:
    """Returns labels of knobs that `query` names, each with the labels of the techniques that have it: those of the family
    `name` that are not `chosen`, so that the sidebar shows no control for the knob now."""
    words, found = query.casefold().split(), dict[str, list[str]]()
    if name not in families():
        return found
    techniques = families()[name].techniques
    own = {knob.label for knob in techniques[chosen].knobs.values()}
    for technique in techniques.values():
        for knob in technique.knobs.values():
            if knob.label not in own and all(word in knob.label.casefold() for word in words):
                found.setdefault(knob.label, []).append(technique.label)
    return found


def _texts(name: str) -> Iterator[str]:
    """Yields what a search looks through: the label first, with the name that the command line uses."""
    if name not in families():
        knob = plain_knobs()[name]
        yield f"{knob.label} {name}"
        yield knob.help
        return
    family = families()[name]
    yield f"{family.label} {name}"
    yield family.help
    for technique in family.techniques.values():
        yield from (technique.label, technique.name, technique.help)
        for knob in technique.knobs.values():
            yield from (knob.label, knob.name, knob.help)
