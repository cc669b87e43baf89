"""The Experiments page: ready-made comparisons, each started with one click."""

from __future__ import annotations

import time

import streamlit as st
from streamlit.errors import StreamlitAPIException

from pages.widgets.chart_selection import show_only
from pages.widgets.page_context import PageContext
from pages.widgets.text import escape_html
from trainer.config import RunConfig, diff
from trainer.presets import PRESETS, Preset

DOUBLE_CLICK = 3.0  # seconds in which a second start of an experiment is taken for one click too many


def page(context: PageContext) -> None:
    """Draw the page."""
    st.html(
        '<h1 class="tp-page">Experiments</h1><p class="tp-quiet">Each starts a few runs that are alike but for what the '
        "experiment is about, and puts them on one pair of axes. They use the sidebar's seed.</p>"
    )
    if st.session_state.pop("experiment:started", False):
        _lead_to(context.train_page)
    for name, preset in PRESETS.items():
        with st.container(border=True, key=f"preset-{name}", gap="small"):
            st.html(_card(preset))
            count = len(preset.runs)
            st.button(
                f"Start {count} runs" if count > 1 else "Start the run",
                key=f"start-{name}",
                icon=":material/play_arrow:",
                on_click=_start,
                args=(context, name),
                help=f"Start the experiment “{preset.label}” and show it on the Train page.",
            )


def _lead_to(home: st.Page) -> None:
    """Go to the runs. Switching clears the address, which knobs that stand in it forbid: then a link leads there."""
    try:
        st.switch_page(home)
    except StreamlitAPIException:
        with st.container(horizontal=True, vertical_alignment="center", key="experiment-started"):
            st.html('<span role="status">The runs are queued.</span>')
            st.page_link(home, label="Go to Train", icon=":material/arrow_forward:")


def _card(preset: Preset) -> str:
    configs = list(preset.configs().values())
    rows = "".join(
        f"<div><dt>{escape_html(name)}</dt><dd>{escape_html(_difference(configs[0], config))}</dd></div>"
        for name, config in zip(preset.runs, configs, strict=True)
    )
    return (
        f'<h2 class="tp-title">{escape_html(preset.label)}</h2><p class="tp-quiet">{escape_html(preset.question)}</p>'
        f'<dl class="tp-facts">{rows}</dl>'
    )


def _difference(first: RunConfig, config: RunConfig) -> str:
    """What a run changes against the experiment's first."""
    changes = diff(first, config)
    return ", ".join(f"{change.label} {change.after}" for change in changes) or "Baseline"


def _start(context: PageContext, name: str) -> None:
    """Queue the experiment's runs and put them, and only them, on the axes. A double click starts it once."""
    now = time.monotonic()
    before, at = st.session_state.get("experiment:last", ("", 0.0))
    if name == before and now - at < DOUBLE_CLICK:
        return
    st.session_state["experiment:last"] = (name, now)
    seed = context.knobs.config.seed if context.knobs.config else 0
    runs = PRESETS[name].configs(seed)
    show_only([context.store.create_run(config, context.owner, name=title) for title, config in runs.items()])
    st.session_state["experiment:started"] = True
