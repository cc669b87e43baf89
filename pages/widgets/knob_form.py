"""Some knobs of a run as controls, with what they would change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from pages.widgets.controls import draw_knob, show_problem
from pages.widgets.text import escape_markdown
from trainer.config import Change, ConfigError, RunConfig, diff
from trainer.registry import Knob, families

COLUMNS = 2


def knob_form(
    now: RunConfig,
    knobs_of: Callable[[RunConfig], Mapping[str, Knob | None]],
    check: Callable[[Mapping[str, Any]], object],
    place: str,
) -> tuple[dict[str, Any] | None, list[Change]]:
    """Draws those knobs of a configuration that `knobs_of` names, None standing for a choice of a technique. Returns their
    values by flat key, None where they are not possible or `check` raises ConfigError, and how they differ from `now`."""
    errors, wanted = list[str](), dict[str, Any]()
    columns = st.columns(COLUMNS)
    choices = [key for key, knob in knobs_of(now).items() if knob is None]
    for number, key in enumerate(choices):
        with columns[number % COLUMNS]:
            wanted[key] = _choice(key, now, place)
    try:
        after = now.changed(wanted)
        drawn = {key: knob for key, knob in knobs_of(after).items() if knob is not None}
        for number, (key, knob) in enumerate(drawn.items(), start=len(choices)):
            technique = wanted.get(key.partition(".")[0], "")
            with columns[number % COLUMNS]:
                shown = replace(knob, default=after.flat()[key])
                wanted[key] = draw_knob(key, shown, errors, place=f"{place}{technique}-")
        if errors:
            return None, []
        after = now.changed(wanted)
        check(wanted)
    except ConfigError as error:
        show_problem(str(error))
        return None, []
    return wanted, diff(now, after)


def _choice(key: str, now: RunConfig, place: str) -> Any:
    """Draws the choice of a family's technique."""
    family = families()[key]
    names = [name for name, one in family.techniques.items() if not one.facts.get("probe")]
    return st.selectbox(
        family.label,
        names,
        index=names.index(getattr(now, key).name),
        format_func=lambda name: family[name].label,
        key=f"{place}{key}",
        help=escape_markdown(family.help),
        filter_mode=None,
    )
