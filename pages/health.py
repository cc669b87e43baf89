"""The Health page: what happens inside one run, layer by layer, while it trains."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.live.tokens import page_token
from pages.widgets.baseline import pinned, reference
from pages.widgets.health_panel import health_panel
from pages.widgets.history import config_of, differences_by_run, is_probe, legend_label
from pages.widgets.knob_changes import clip_thresholds
from pages.widgets.linked_run import link_target, link_to, linked_run
from pages.widgets.markup import difference_chips, information
from pages.widgets.page_context import PageContext
from pages.widgets.page_parts import empty_state, heading, link_to_train
from pages.widgets.run_polling import poll_states
from pages.widgets.text import escape_html, shorten
from trainer.describe.labels import Differences
from trainer.settings import get_settings
from trainer.store import Run

CHOICE = "health-run"


def page(context: PageContext) -> None:
    """Draws the page."""
    runs = [run for run in context.runs() if not is_probe(run)]
    heading(
        "Health",
        "What happens inside a run, layer by layer, while it trains. Recording it does not change the run by a single bit.",
    )
    if (target := link_target()) is not None and linked_run(runs) is None:
        st.html(information(f"Run {shorten(target, 40)} is not among yours; this is your newest run."))
    if not runs:
        empty_state("No runs yet", "Start one on the Train page: its layers appear here within a second.")
        link_to_train(context.train_page)
        return
    differs = differences_by_run(runs, pinned(runs))
    run = _choose(runs, differs)
    poll_states(context, runs)
    lead = escape_html(f"Differs from {reference(runs)}:")
    st.html(f'<span class="tp-lead">{lead}</span>{difference_chips(differs[run.id])}')
    _draw_health(context, run, differs[run.id])


def _choose(runs: Sequence[Run], differs: dict[int, Differences]) -> Run:
    """Draws the select; returns its run, which is at first the address's or else the newest."""
    by_id, target = {run.id: run for run in runs}, link_target()
    chosen = st.session_state.get(CHOICE)
    if chosen not in by_id or (target and str(chosen) != target):
        st.session_state[CHOICE] = (linked_run(runs) or runs[0]).id
    chosen = st.selectbox(
        "Run",
        list(by_id),
        format_func=lambda run_id: legend_label(by_id[run_id], differs[run_id]) if run_id in by_id else "",
        key=CHOICE,
        on_change=lambda: link_to(st.session_state[CHOICE]),
        help="The newest run is shown first. The address names the run that you choose.",
        filter_mode=None,
    )
    return by_id.get(chosen, runs[0])


def _draw_health(context: PageContext, run: Run, differs: Differences) -> None:
    """Draws the run's figures, or why there are none."""
    config = config_of(run)
    if config is None:
        empty_state(
            "Its knobs come from another version",
            "This run's knobs cannot be read here, so its layers are unknown.",
        )
    elif not config.health:
        empty_state(
            "Health was switched off for this run",
            "Turn on Record health under Run in the sidebar and start a twin: its curves are the same to the last digit.",
        )
    elif run.is_over and context.store.last_step(run.id, "health") < 0:
        empty_state(
            "This run recorded no health", "It ended before its first step, or an earlier version trained it."
        )
    else:
        token = page_token(get_settings().home, context.owner, [run.id])
        clips = clip_thresholds(config, context.store.knob_changes(run.id))
        health_panel(run.id, legend_label(run, differs), config, clips, token)
