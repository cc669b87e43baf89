"""The Reference page: every technique with its meaning, its knobs and its source, read from the registry."""

from __future__ import annotations

import inspect

import streamlit as st

from pages.frame import frame
from pages.widgets.knobs import load_config
from pages.widgets.text import escape_html, escape_markdown
from trainer.config import ConfigError, RunConfig
from trainer.registry import Family, Knob, Technique, families


def page() -> None:
    """Draw the page."""
    st.html(
        '<h1 class="tp-page">Reference</h1><p class="tp-quiet">What each technique does, what its knobs mean and where it '
        "comes from. The same words are behind the question marks in the sidebar.</p>"
    )
    ordered = [families()[name] for name in RunConfig.model_fields if name in families()]
    chosen = st.selectbox(
        "Family",
        [family.name for family in ordered],
        format_func=lambda name: families()[name].label,
        key="reference-family",
        help="Which group of techniques to read about.",
    )
    family = families()[chosen]
    st.html(f'<p class="tp-quiet">{escape_html(family.help)}</p>')
    for technique in family.techniques.values():
        with st.container(border=True, key=f"reference-{family.name}-{technique.name}", gap="small"):
            _draw(family, technique)


def _draw(family: Family, technique: Technique) -> None:
    st.html(f'<h2 class="tp-title">{escape_html(technique.label)}</h2>')
    for paragraph in (inspect.getdoc(technique.function) or "").split("\n\n"):
        st.markdown(escape_markdown(paragraph))
    if technique.knobs:
        st.html(_table(list(technique.knobs.values())))
    if source := technique.facts.get("source"):
        st.html(f'<p class="tp-quiet">Source: {escape_html(source)}</p>')
    config = _with(family, technique)
    st.button(
        "Use it",
        key=f"use-{family.name}-{technique.name}",
        disabled=config is None,
        on_click=load_config,
        args=(config,),
        help=f"Set the sidebar to {technique.label}.",
    )


def _with(family: Family, technique: Technique) -> RunConfig | None:
    """The sidebar's configuration with the technique; None where it does not go with the rest."""
    current = frame().knobs.config or RunConfig()
    try:
        return current.changed({family.name: technique.name})
    except ConfigError:
        return None


def _table(knobs: list[Knob]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{escape_html(knob.label)}</th><td>{escape_html(knob.default)} {escape_html(knob.unit)}</td>"
        f"<td>{escape_html(knob.bounds)}</td><td>{escape_html(knob.help)}</td></tr>"
        for knob in knobs
    )
    return (
        '<div class="tp-scroll"><table class="tp-knobs"><thead><tr><th scope="col">Knob</th><th scope="col">Default</th>'
        f'<th scope="col">Allowed</th><th scope="col">Meaning</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
