"""The Comparisons page: ready-made comparisons, each started with one click."""

from __future__ import annotations

import streamlit as st
from streamlit.errors import StreamlitAPIException

from pages.widgets.chart_selection import show_only
from pages.widgets.launch import start_once
from pages.widgets.markup import facts_list
from pages.widgets.page_context import PageContext
from pages.widgets.page_parts import heading
from pages.widgets.run_polling import reporting_errors
from pages.widgets.text import escape_html
from trainer.config import RunConfig, diff
from trainer.presets import PRESETS, Preset


def page(context: PageContext) -> None:
    """Draws the page."""
    heading(
        "Comparisons",
        "Each starts a few runs that differ only in what is compared, and draws them on the same axes. "
        "They use the sidebar's seed.",
    )
    if st.session_state.pop("comparison:started", False):
        _open_train_page(context.train_page)
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
                help=f"Start “{preset.label}” and show it on the Train page.",
            )


def _open_train_page(train_page: st.Page) -> None:
    """Opens the Train page, or draws a link to it: switching clears the address, which raises while it holds knobs."""
    try:
        st.switch_page(train_page)
    except StreamlitAPIException:
        with st.container(horizontal=True, vertical_alignment="center", key="comparison-started"):
            st.html('<span role="status">The runs are queued.</span>')
            st.page_link(train_page, label="Go to Train", icon=":material/arrow_forward:")


def _card(preset: Preset) -> str:
    configs = list(preset.configs().values())
    differences = {
        name: _difference(configs[0], config) for name, config in zip(preset.runs, configs, strict=True)
    }
    return (
        f'<h2 class="tp-title">{escape_html(preset.label)}</h2><p class="tp-quiet">{escape_html(preset.question)}</p>'
        + facts_list(differences)
    )


def _difference(baseline: RunConfig, config: RunConfig) -> str:
    changes = diff(baseline, config)
    return ", ".join(f"{change.label} {change.after}" for change in changes) or "Baseline"


@reporting_errors()
def _start(context: PageContext, name: str) -> None:
    """Queues the comparison's runs and puts only them on the charts. A double click starts them once."""
    seed = context.knobs.config.seed if context.knobs.config else 0
    configs = PRESETS[name].configs(seed)
    run_ids = start_once(
        name,
        lambda: context.store.create_runs(configs, context.owner),
    )
    if run_ids is not None:
        show_only(run_ids)
        st.session_state["comparison:started"] = True
