"""The Comparisons page: ask what a change does, see what was asked before, and start a ready-made comparison."""

from __future__ import annotations

import streamlit as st

from pages.widgets.comparison_list import comparison_list
from pages.widgets.comparison_view import comparison_view
from pages.widgets.elsewhere import comparison_elsewhere
from pages.widgets.launch import start_once
from pages.widgets.linked_comparison import link_to_comparison, linked_comparison
from pages.widgets.markup import facts_list
from pages.widgets.page_context import PageContext
from pages.widgets.page_parts import heading
from pages.widgets.run_polling import reporting_errors
from pages.widgets.search.form import search_form
from pages.widgets.search.view import search_view
from pages.widgets.space_limits import space_left
from pages.widgets.text import escape_html
from pages.widgets.what_if import what_if
from trainer.comparison.analysis import start
from trainer.comparison.design import Design, arm_name
from trainer.comparison.measures import measure_of
from trainer.formatting import format_duration
from trainer.presets import PRESETS, Preset
from trainer.spaces.limits import new_runs


def page(context: PageContext) -> None:
    """Draws one comparison, where the address names one, or the page."""
    if (linked := linked_comparison()) is not None:
        known = {one.id: one for one in context.comparisons(archived=None)}
        if (one := known.get(linked) or comparison_elsewhere(context, linked)) is not None:
            (search_view if one.search else comparison_view)(context, linked)
            return
        st.info(f"Comparison {linked} is not among yours. It may have been deleted.", icon=":material/info:")
    heading(
        "Comparisons",
        "A comparison trains a few arms (configurations) with the same seeds and shows which is better, or that it is "
        "too early to tell.",
    )
    what_if(context)
    search_form(context)
    comparison_list(context)
    st.html('<h2 class="tp-title">Ready-made</h2>')
    usage = context.store.usage(context.owner)
    for name, preset in PRESETS.items():
        with st.container(border=True, key=f"preset-{name}", gap="small"):
            design = _design(context, preset)
            st.html(_card(preset, design))
            space_left(context, new_runs(design.runs), usage=usage)
            st.button(
                f"Start {len(design.arms) * len(design.seeds)} runs",
                key=f"start-{name}",
                icon=":material/play_arrow:",
                on_click=_start,
                args=(context, preset, design),
                help=f"Start “{preset.label}”: {len(design.arms)} arms with {len(design.seeds)} seeds each.",
            )


def _design(context: PageContext, preset: Preset) -> Design:
    seed = context.knobs.config.seed if context.knobs.config else 0
    return preset.design(seed)


def _card(preset: Preset, design: Design) -> str:
    arms = {
        arm.name: arm_name(design.baseline.config, arm.config) if arm is not design.baseline else "Baseline"
        for arm in design.arms
    }
    config = design.baseline.config
    setting = {
        "Data": config.technique("data").label,
        "Network": f"{config.technique('model').label}, {config.model.knobs['layers']}",
        "Measure": measure_of(design).label,
        "Takes": f"about {format_duration(preset.seconds)} on two cores",
    }
    return (
        f'<h3 class="tp-title">{escape_html(preset.label)}</h3><p class="tp-quiet">{escape_html(preset.question)}</p>'
        f"<p>{escape_html(preset.expects)}</p>{facts_list(arms)}{facts_list(setting)}"
    )


@reporting_errors()
def _start(context: PageContext, preset: Preset, design: Design) -> None:
    """Queues the preset's runs and opens the comparison. A double click starts it once."""
    comparison_id = start_once(
        preset.label, lambda: start(context.store, design, context.owner, preset.label)
    )
    link_to_comparison(comparison_id)
