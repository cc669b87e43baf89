"""The Reference page: every technique with its formula, meaning, knobs, source and worked example, read from the registry.

The address names the technique that is drawn (`?technique=schedule.cosine`), so that a link can lead to it.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import streamlit as st

from pages.widgets import link_notices
from pages.widgets.failures import failures
from pages.widgets.knobs import load_config
from pages.widgets.page_context import PageContext
from pages.widgets.page_parts import heading
from pages.widgets.text import escape_html, escape_markdown, shorten
from pages.widgets.worked_example import worked_example
from trainer.config import ConfigError, RunConfig
from trainer.registry import Family, Knob, Technique, families

PARAMETER = "technique"  # in the address
FIRST = "normalization.batch"
_LAST, _FAMILY, _TECHNIQUE, _FIND = (f"reference-{name}" for name in ("last", "family", "technique", "find"))
_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


def page(context: PageContext) -> None:
    """Draws the page."""
    heading(
        "Reference",
        "What each technique does, when to use it, and a small example, computed on the spot by the code that trains.",
    )
    item = _chosen()
    _draw_choices(item)
    with st.container(border=True, key=f"reference-{item.family}-{item.name}", gap="small"):
        _draw_lesson(item, context.knobs.config or RunConfig())
    worked_example(context, item)
    failures()


def _chosen() -> Technique:
    """Returns the technique that the address names, else the last one read. Says so where the name does not exist."""
    asked: Any = st.query_params.get(PARAMETER) or st.session_state.get(_LAST, FIRST)
    family, _, name = str(asked).partition(".")
    found = families().get(family)
    if found is None or (name and name not in found.techniques):
        link_notices.note([f"There is no technique called {shorten(asked, 60)}."])
        st.query_params[PARAMETER] = FIRST
        st.rerun()
    item = found[name] if name else _first(found)
    st.session_state[_LAST] = st.query_params[PARAMETER] = f"{item.family}.{item.name}"
    return item


def _first(family: Family) -> Technique:
    """Returns the technique to read first: the family's default, or the first one that does something."""
    names = sorted(family.techniques, key=lambda name: (name == "none", name != family.default))
    return family[names[0]]


def _draw_choices(item: Technique) -> None:
    """Draws three ways to another technique: by family, by name, and among those of the same family."""
    ordered = [name for name in RunConfig.model_fields if name in families()]
    family = families()[item.family]
    st.session_state[_FAMILY], st.session_state[_TECHNIQUE] = item.family, item.name
    with st.container(horizontal=True, gap="small", key="reference-choices"):
        st.selectbox(
            "Family",
            ordered,
            format_func=lambda name: families()[name].label,
            key=_FAMILY,
            on_change=_go_to_family,
            help="The group of techniques to read about.",
        )
        st.selectbox(
            "Find",
            [f"{name}.{key}" for name in ordered for key in families()[name].techniques],
            index=None,
            format_func=_listed,
            placeholder="Type a name, such as cosine",
            key=_FIND,
            on_change=_go_to_found,
            filter_mode="contains",
            help="Search the techniques of all families by name.",
        )
    if len(family.techniques) > 1:
        st.pills(
            "Technique",
            list(family.techniques),
            format_func=lambda name: family[name].label,
            key=_TECHNIQUE,
            on_change=_go_to_technique,
            label_visibility="collapsed",
        )
    st.html(f'<p class="tp-quiet">{escape_html(family.help)}</p>')


def _listed(key: str) -> str:
    family, _, name = key.partition(".")
    return title_of(families()[family][name]) + f" ({families()[family].label})"


def title_of(item: Technique) -> str:
    """Returns a technique's name away from its family, where "On" and "Off" mean nothing."""
    label = families()[item.family].label
    return {"On": label, "Off": f"{label} off", "None": f"{label}: none"}.get(item.label, item.label)


def _go_to_family() -> None:
    item = _first(families()[st.session_state[_FAMILY]])
    st.query_params[PARAMETER] = f"{item.family}.{item.name}"


def _go_to_technique() -> None:
    if name := st.session_state[_TECHNIQUE]:  # a second click on the chosen one selects none
        st.query_params[PARAMETER] = f"{st.session_state[_FAMILY]}.{name}"


def _go_to_found() -> None:
    if key := st.session_state[_FIND]:
        st.query_params[PARAMETER] = key
        st.session_state[_FIND] = None


def _draw_lesson(item: Technique, current: RunConfig) -> None:
    """Draws everything that the declaration states."""
    st.html(f'<h2 class="tp-title">{escape_html(title_of(item))}</h2>')
    for paragraph in (inspect.getdoc(item.function) or "").split("\n\n"):
        st.markdown(escape_markdown(paragraph.replace("`", "")))
    st.latex(item.facts["formula"])
    st.html(f"<p><strong>When to use it.</strong> {escape_html(item.facts['when'])}</p>")
    if misconception := item.facts.get("misconception"):
        st.html(
            f'<p class="tp-wrongly"><strong>Common misconception.</strong> {_with_links(misconception)}</p>'
        )
    if item.knobs:
        st.html(_knob_table(list(item.knobs.values())))
    if source := item.facts.get("source"):
        st.html(f'<p class="tp-quiet">Source: {_with_links(source, item.facts.get("link"))}</p>')
    config = _config_with(item, current)
    st.button(
        "Use it",
        key=f"use-{item.family}-{item.name}",
        disabled=config is None,
        on_click=load_config,
        args=(config,),
        help="Set the sidebar to it." if config else "It conflicts with the sidebar's other knobs.",
    )


def _with_links(text: str, link: str | None = None) -> str:
    """Returns HTML in which the whole text links to `link`, or else each arXiv number to its paper."""
    if link:
        return _anchor(link, escape_html(text))
    return _ARXIV.sub(lambda found: _anchor(f"https://arxiv.org/abs/{found[1]}", found[0]), escape_html(text))


def _anchor(url: str, html: str) -> str:
    return f'<a target="_blank" rel="noopener" href="{escape_html(url)}">{html}</a>'


def _config_with(item: Technique, current: RunConfig) -> RunConfig | None:
    """Returns the sidebar's configuration with the technique; None where they conflict."""
    try:
        return current.changed({item.family: item.name})
    except ConfigError:
        return None


def _knob_table(knobs: list[Knob]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{escape_html(knob.label)}</th><td>{escape_html(knob.default)} {escape_html(knob.unit)}</td>"
        f"<td>{escape_html(knob.bounds)}</td><td>{escape_html(knob.help)}</td></tr>"
        for knob in knobs
    )
    return (
        '<div class="tp-scroll"><table class="tp-knobs"><thead><tr><th scope="col">Knob</th><th scope="col">Default</th>'
        f'<th scope="col">Allowed</th><th scope="col">Meaning</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
