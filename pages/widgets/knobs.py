"""The sidebar: every knob there is, read from the registry.

A technique or knob that is declared appears here by itself, under its family's group. Widgets are keyed by the flat key
("schedule.final_lr") and bound to the address, so values survive page changes and reloads.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from pages.widgets.controls import draw_knob, problem
from pages.widgets.link import (
    PAGE_PARAMETERS,
    bound_parameters,
    knobs_of,
    others,
    read_link,
    share_link,
    switch_key,
    switch_of,
    widget_values,
)
from pages.widgets.share import copy_button
from pages.widgets.text import escape_markdown
from trainer.config import Choice, ConfigError, RunConfig, plain_knobs
from trainer.conflicts import conflicts
from trainer.registry import Family, Knob, Technique, families

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
    """What the sidebar says: a configuration, or else the sentences that say why there is none."""

    config: RunConfig | None
    problems: list[str] = field(default_factory=list)


def draw_knobs() -> Knobs:
    """Draw every knob and return what they add up to. Called by the shell, on every page."""
    _arrive()
    pending = st.session_state.pop(_PENDING, None)
    if pending is not None:
        _announce(pending)
        st.session_state.update(widget_values(pending))
    problems_place = _heading()
    values: dict[str, Any] = {}
    errors: list[str] = []
    sections = _sections()
    places = {group: _section(group) for group in sections}
    for group in sorted(sections, key=lambda group: group != "model"):  # other knobs depend on the model
        with places[group]:
            for name in sections[group]:
                _draw_entry(name, values, errors)
    knobs = _add_up(values, errors)
    with problems_place:
        _actions(knobs)
        for sentence in () if errors else knobs.problems:  # errors of one knob stand under it already
            problem(sentence)
    return knobs


def load_config(config: RunConfig) -> None:
    """Set every knob to `config`. For a button's `on_click`: the widgets take the values on the run that follows."""
    st.session_state[_PENDING] = config.flat()
    st.session_state[_NOTICES] = []


def reset_knobs() -> None:
    """Set every knob to its default; the seed too."""
    load_config(RunConfig())


def show_link_notices() -> None:
    """Say what a link asked for and did not get, until it is dismissed."""
    notices = st.session_state.get(_NOTICES)
    if not notices:
        return
    with st.container(key="link-notices", horizontal=True, vertical_alignment="center"):
        st.warning("  \n".join(escape_markdown(notice) for notice in notices), icon=":material/link_off:")
        st.button(
            "Dismiss",
            key="dismiss-notices",
            type="tertiary",
            on_click=st.session_state.pop,
            args=(_NOTICES, None),
        )


def _arrive() -> None:
    """On a session's first run: read the address as a link, and rewrite it in the widgets' own spelling."""
    if _READY in st.session_state:
        return
    st.session_state[_READY] = True
    asked = st.query_params.to_dict()
    link = read_link(asked)
    st.session_state[_NOTICES] = link.notices
    if link.rewritten:
        kept = {key: value for key, value in asked.items() if key in PAGE_PARAMETERS}
        st.query_params.from_dict({**kept, **bound_parameters(link.values)})
        st.rerun()


def _announce(pending: dict[str, Any]) -> None:
    """Put values into the address whose knobs are only about to appear; those that are there already do it themselves."""
    for key, text in bound_parameters(pending).items():
        with suppress(StreamlitAPIException):  # its widget is drawn, and brings its value into the address
            st.query_params[key] = text


def _sections() -> dict[str, list[str]]:
    """Names of families and plain knobs by group, groups in the order of `GROUPS`, new ones after them."""
    found: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in RunConfig.model_fields:
        group = families()[name].group if name in families() else plain_knobs()[name].group
        found.setdefault(group or "run", []).append(name)
    return {group: names for group, names in found.items() if names}


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
            copy_button("Copy link", share_link(knobs.config, st.context.url), key="share")


def _draw_entry(name: str, values: dict[str, Any], errors: list[str]) -> None:
    """A plain knob, or a family's choice with the knobs of the chosen technique beneath it."""
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
            values[key] = draw_knob(key, knob, errors) if _of_use(knob, values["model"]) else knob.default


def _of_use(knob: Knob, model: str) -> bool:
    """Whether the chosen model has a place for the knob."""
    return not knob.models or model in knob.models


def _draw_choice(family: Family) -> str:
    """The family's toggle, or its select, or (for the techniques beside the one with the toggle) both."""
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
            on_change=_fresh_knobs,
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
        on_change=_fresh_knobs,
        args=(family, family.name),
        filter_mode=None,
    )
    st.caption(escape_markdown(family[chosen].help))
    return str(chosen)


def _fresh_knobs(family: Family, key: str) -> None:
    """Another technique was chosen: its knobs start at their own defaults, also where a name is shared."""
    switch = switch_of(family)
    on = switch is not None and st.session_state[switch_key(family, switch)]
    rest = [technique.name for technique in others(family)]
    off = family.default if family.default in rest else rest[0]
    name = (
        switch.name
        if switch and on
        else st.session_state.get(family.name, off)
        if key == family.name
        else off
    )
    for inner, knob in family[name].knobs.items():
        st.session_state[f"{family.name}.{inner}"] = knob.default


def _add_up(values: dict[str, Any], errors: list[str]) -> Knobs:
    """The configuration, or every sentence that speaks against it."""
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
