"""The sidebar: every knob, read from the registry.

A technique or knob appears here once it is declared, where `knob_groups` puts it. Widgets are keyed by the flat key
("schedule.final_lr") and bound to the address, so values survive reloads. All of them are drawn on every page, folded or
not: Streamlit forgets the value of a widget that is not. It also forgets those that the browser had not drawn yet when a
visitor chose another page; so the values are kept here too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.widgets import link_notices
from pages.widgets.chart_selection import selection_parameters
from pages.widgets.controls import draw_knob, show_problem
from pages.widgets.knob_groups import (
    changed_keys,
    group_label,
    home,
    knobs_elsewhere,
    names_by_group,
)
from pages.widgets.knob_places import Places, draw_places
from pages.widgets.link import (
    bound_parameters,
    changed_widget_values,
    current_values,
    is_pages,
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
from trainer.registry import Family, Technique, families, is_used

_KEPT, _PENDING = "knobs:kept", "knobs:pending"


@dataclass(frozen=True)
class Knobs:
    """The sidebar's configuration, or else the sentences that say why there is none."""

    config: RunConfig | None
    problems: list[str]
    address: dict[str, str]
    """The parameters of the address that say the same."""


def draw_knobs(*, folded: bool) -> Knobs:
    """Draws every knob and returns their configuration; `folded` into one line. Called by the shell, on every page."""
    _read_address()
    _restore()
    if (pending := st.session_state.get(_PENDING)) is not None:
        st.session_state.update(widget_values(pending))
        # Deleted only now: Streamlit may stop the script at any access to the session and run it again.
        del st.session_state[_PENDING]
    known = current_values(st.session_state)
    changed = Counter(home(key, known) for key in changed_keys(known))
    values: dict[str, Any] = {}
    errors: list[str] = []
    with _frame(changed.total(), folded=folded):
        actions = st.container(key="knob-actions", gap="small")
        places = draw_places(known, changed)
        for names in names_by_group().values():
            for name in names:
                _draw_entry(name, places, values, errors)
    st.session_state[_KEPT] = values
    knobs = _knobs(values, errors)
    with actions:
        _actions(knobs, "" if folded else "Knobs")
        for sentence in () if errors else knobs.problems:  # each error is drawn under its own knob already
            show_problem(sentence)
    return knobs


def load_config(config: RunConfig) -> None:
    """Sets every knob to `config`. For a button's `on_click`: the widgets take the values in the rerun that follows."""
    st.session_state[_PENDING] = config.flat()
    link_notices.dismiss()


def reset_knobs() -> None:
    """Sets every knob to its default, the seed included."""
    load_config(RunConfig())


def _read_address() -> None:
    """In a session's first run, reads the address as a link and rewrites it in the widgets' own spelling."""
    if _KEPT in st.session_state:
        return
    parameters = st.query_params.to_dict()
    link = read_link(parameters)
    link_notices.note(link.notices)
    if link.rewritten:
        of_pages = {key: value for key, value in parameters.items() if is_pages(key)}
        st.query_params.from_dict({**of_pages, **bound_parameters(link.values)})
    st.session_state[_KEPT] = link.values
    if link.rewritten:
        st.rerun()


def _restore() -> None:
    """Gives widgets that have no value, or lost it, the one that the sidebar had last."""
    for key, value in changed_widget_values(st.session_state[_KEPT]).items():
        if key not in st.session_state:
            st.session_state[key] = value


def _frame(changed: int, *, folded: bool) -> Any:
    """Returns what holds the knobs: an expander on every page. Where they stand open, the style sheet hides its line.

    If pages used different kinds of container, a busy browser would drop the knobs' values when the page changes.
    """
    return st.expander(
        group_label("Knobs", changed),
        expanded=not folded,
        key="knobs-folded" if folded else "knobs-open",
        icon=":material/tune:",
    )


def _actions(knobs: Knobs, title: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if title:
            st.html(f'<h2 class="tp-side-title">{title}</h2>', width="stretch")
        st.button(
            "Reset", key="reset-knobs", on_click=reset_knobs, help="Set every knob back to its default."
        )
        if knobs.config is not None:
            link = share_link(knobs.config, st.context.url, selection_parameters())
            copy_button("Copy link", link, key="share")


def _draw_entry(name: str, places: Places, values: dict[str, Any], errors: list[str]) -> None:
    """Draws a plain knob, or a family's choice with the knobs of the chosen technique under it."""
    if name not in families():
        with places.of(name):
            values[name] = draw_knob(name, plain_knobs()[name], errors)
        return
    family = families()[name]
    chosen = values[name] = _draw_choice(family, places)
    knobs = family[chosen].knobs
    values |= {f"{name}.{inner}": knob.default for inner, knob in knobs.items()}
    used = {inner: knob for inner, knob in knobs.items() if is_used(knob, places.known["model"])}
    if not used:
        return
    with places.of(f"{name}.{next(iter(used))}"):
        under = f"under-{name}" if len(family.techniques) > 1 else None
        with st.container(key=under, gap="small"):
            for inner, knob in used.items():
                values[f"{name}.{inner}"] = draw_knob(f"{name}.{inner}", knob, errors)


def _draw_choice(family: Family, places: Places) -> str:
    """Draws the family's toggle, its select, or both: the select then has the techniques without a toggle."""
    switch, rest = switch_of(family), others(family)
    if switch is not None:
        key = switch_key(family, switch)
        with places.of_switch(family):
            on = st.toggle(
                switch.label if len(rest) > 1 else family.label,
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
    with places.of(family.name):
        return _draw_select(family, rest, places.query)


def _draw_select(family: Family, rest: list[Technique], query: str) -> str:
    names = [technique.name for technique in rest]
    chosen = st.selectbox(
        family.label if switch_of(family) is None else f"Other {family.label.lower()}",
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
    if chosen != family.default:
        st.caption(escape_markdown(family[chosen].help))
    if query:
        for label, techniques in knobs_elsewhere(family.name, chosen, query).items():
            st.caption(escape_markdown(f"{label}: with {', '.join(techniques)}"))
    return str(chosen)


def _reset_technique_knobs(family: Family, key: str) -> None:
    """Sets the knobs of a newly chosen technique to their own defaults, also where another has knobs of the same names."""
    switch, rest = switch_of(family), [technique.name for technique in others(family)]
    name = family.default if family.default in rest else rest[0]
    if (
        key != family.name and len(rest) > 1
    ):  # without the toggle there is none of the family, whatever was chosen before
        st.session_state[family.name] = name
    if switch is not None and st.session_state[switch_key(family, switch)]:
        name = switch.name
    elif key == family.name:
        name = st.session_state.get(family.name, name)
    for inner, knob in family[name].knobs.items():
        st.session_state[f"{family.name}.{inner}"] = knob.default


def _knobs(values: dict[str, Any], errors: list[str]) -> Knobs:
    """Returns the configuration, or every problem with it."""
    address = bound_parameters(values)
    if errors:
        return Knobs(None, errors, address)
    parts: dict[str, Any] = {
        name: Choice(
            values[name], {inner: values[f"{name}.{inner}"] for inner in families()[name][values[name]].knobs}
        )
        for name in families()
    }
    parts |= {key: values[key] for key, _ in knobs_of(values) if key in plain_knobs()}
    if problems := list(conflicts(RunConfig.model_construct(**parts))):
        return Knobs(None, problems, address)
    try:
        return Knobs(RunConfig.parse(parts), [], address)
    except ConfigError as error:
        return Knobs(None, [str(error)], address)
