"""The sidebar: every knob, read from the registry.

A technique or knob appears here once it is declared, under its family's group. Widgets are keyed by the flat key
("schedule.final_lr") and bound to the address, so values survive page changes and reloads.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from pages.widgets.chart_selection import selection_parameters
from pages.widgets.controls import draw_knob, show_problem
from pages.widgets.link import (
    bound_parameters,
    is_pages,
    knobs_of,
    others,
    read_link,
    share_link,
    switch_key,
    switch_of,
    widget_values,
)
from pages.widgets.markup import warning
from pages.widgets.share import copy_button
from pages.widgets.text import escape_markdown
from trainer.config import Choice, ConfigError, RunConfig, plain_knobs
from trainer.conflicts import conflicts
from trainer.registry import Family, Knob, Technique, families, find

FIRST_GROUP = "techniques"
GROUPS = {
    FIRST_GROUP: "Techniques",
    "model": "Model",
    "data": "Data",
    "optimization": "Optimization",
    "regularization": "Regularization",
    "augmentation": "Augmentation",
    "text": "Text augmentation",
    "run": "Run",
}

_READY, _PENDING, _NOTICES = "knobs:ready", "knobs:pending", "knobs:notices"


@dataclass(frozen=True)
class Knobs:
    """The sidebar's configuration, or else the sentences that say why there is none."""

    config: RunConfig | None
    problems: list[str] = field(default_factory=list)


def draw_knobs() -> Knobs:
    """Draws every knob and returns their configuration. Called by the shell, on every page."""
    _read_address()
    pending = st.session_state.pop(_PENDING, None)
    if pending is not None:
        _write_address(pending)
        st.session_state.update(widget_values(pending))
    actions = _heading()
    values: dict[str, Any] = {}
    errors: list[str] = []
    sections = _sections()
    places = {group: _section(group) for group in sections}
    for group in sorted(sections, key=lambda group: group != "model"):  # other knobs depend on the model
        with places[group]:
            for name in sections[group]:
                _draw_entry(name, values, errors)
    knobs = _knobs(values, errors)
    with actions:
        _actions(knobs)
        for sentence in () if errors else knobs.problems:  # each error is drawn under its own knob already
            show_problem(sentence)
    return knobs


def load_config(config: RunConfig) -> None:
    """Sets every knob to `config`. For a button's `on_click`: the widgets take the values in the rerun that follows."""
    st.session_state[_PENDING] = config.flat()
    st.session_state[_NOTICES] = []


def reset_knobs() -> None:
    """Sets every knob to its default, the seed included."""
    load_config(RunConfig())


def show_link_notices() -> None:
    """Draws the notices about unknown and invalid values of a link, until they are dismissed."""
    notices = st.session_state.get(_NOTICES)
    if not notices:
        return
    with st.container(key="link-notices", horizontal=True, vertical_alignment="center"):
        st.html(warning(*notices), width="stretch")
        st.button(
            "Dismiss",
            key="dismiss-notices",
            type="tertiary",
            on_click=st.session_state.pop,
            args=(_NOTICES, None),
        )


def _read_address() -> None:
    """In a session's first run, reads the address as a link and rewrites it in the widgets' own spelling."""
    if _READY in st.session_state:
        return
    st.session_state[_READY] = True
    parameters = st.query_params.to_dict()
    link = read_link(parameters)
    st.session_state[_NOTICES] = link.notices
    if link.rewritten:
        kept = {key: value for key, value in parameters.items() if is_pages(key)}
        st.query_params.from_dict({**kept, **bound_parameters(link.values)})
        st.rerun()


def _write_address(pending: dict[str, Any]) -> None:
    """Puts values into the address whose knobs are about to appear; knobs that are drawn already do it themselves."""
    for key, text in bound_parameters(pending).items():
        with suppress(StreamlitAPIException):  # the knob is drawn already
            st.query_params[key] = text


def _sections() -> dict[str, list[str]]:
    """Returns names of families and plain knobs by group, groups in the order of `GROUPS` and new ones after them."""
    sections: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in RunConfig.model_fields:
        group = families()[name].group if name in families() else plain_knobs()[name].group
        sections.setdefault(group or "run", []).append(name)
    return {group: names for group, names in sections.items() if names}


def _section(group: str) -> Any:
    if group == FIRST_GROUP:
        return st.container(key=f"group-{group}")
    return st.expander(GROUPS.get(group, group.capitalize()), key=f"group-{group}")


def _heading() -> Any:
    st.html('<h2 class="tp-side-title">Knobs</h2>')
    return st.container(key="knob-actions")


def _actions(knobs: Knobs) -> None:
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Reset",
            key="reset-knobs",
            icon=":material/restart_alt:",
            on_click=reset_knobs,
            help="Set every knob back to its default.",
            width="stretch",
        )
        if knobs.config is not None:
            link = share_link(knobs.config, st.context.url, selection_parameters())
            copy_button("Copy link", link, key="share")


def _draw_entry(name: str, values: dict[str, Any], errors: list[str]) -> None:
    """Draws a plain knob, or a family's choice with the knobs of the chosen technique under it."""
    if name not in families():
        values[name] = draw_knob(name, plain_knobs()[name], errors)
        return
    family = families()[name]
    values[name] = _draw_choice(family)
    technique = family[values[name]]
    if not technique.knobs:
        return
    place = st.container(key=f"under-{name}", gap="small") if len(family.techniques) > 1 else st.container()
    with place:
        for inner, knob in technique.knobs.items():
            key = f"{name}.{inner}"
            values[key] = draw_knob(key, knob, errors) if _is_used(knob, values["model"]) else knob.default


def _is_used(knob: Knob, model: str) -> bool:
    """Whether the chosen model has a place for the knob."""
    return not knob.place or knob.place in find("model", model).facts["places"]


def _draw_choice(family: Family) -> str:
    """Draws the family's toggle, its select, or both: the select then has the techniques without a toggle."""
    switch, rest = switch_of(family), others(family)
    if switch is not None:
        key = switch_key(family, switch)
        label = switch.label if len(rest) > 1 else family.label
        on = st.toggle(
            label,
            value=family.default == switch.name,
            key=key,
            bind="query-params",
            help=escape_markdown(switch.help),
            on_change=_reset_technique_knobs,
            args=(family, key),
        )
        if on:
            return switch.name
    if len(rest) == 1:
        return rest[0].name
    return _draw_select(family, rest)


def _draw_select(family: Family, rest: list[Technique]) -> str:
    names = [technique.name for technique in rest]
    chosen = st.selectbox(
        family.label,
        names,
        index=names.index(family.default) if family.default in names else 0,
        format_func=lambda name: family[name].label if name in family.techniques else name,
        key=family.name,
        bind="query-params",
        help=escape_markdown(family.help),
        on_change=_reset_technique_knobs,
        args=(family, family.name),
        filter_mode=None,
    )
    st.caption(escape_markdown(family[chosen].help))
    return str(chosen)


def _reset_technique_knobs(family: Family, key: str) -> None:
    """Sets the knobs of a newly chosen technique to their own defaults, also where another has knobs of the same names."""
    switch, rest = switch_of(family), [technique.name for technique in others(family)]
    name = family.default if family.default in rest else rest[0]
    if switch is not None and st.session_state[switch_key(family, switch)]:
        name = switch.name
    elif key == family.name:
        name = st.session_state.get(family.name, name)
    for inner, knob in family[name].knobs.items():
        st.session_state[f"{family.name}.{inner}"] = knob.default


def _knobs(values: dict[str, Any], errors: list[str]) -> Knobs:
    """Returns the configuration, or every problem with it."""
    if errors:
        return Knobs(None, errors)
    parts: dict[str, Any] = {
        name: Choice(
            values[name], {inner: values[f"{name}.{inner}"] for inner in families()[name][values[name]].knobs}
        )
        for name in families()
    }
    parts |= {key: values[key] for key, _ in knobs_of(values) if key in plain_knobs()}
    if problems := list(conflicts(RunConfig.model_construct(**parts))):
        return Knobs(None, problems)
    try:
        return Knobs(RunConfig.parse(parts))
    except ConfigError as error:
        return Knobs(None, [str(error)])
