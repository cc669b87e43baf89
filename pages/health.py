"""The Health page: what happens inside one run, layer by layer, while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pages.live.tokens import page_token
from pages.widgets.health_panel import health_panel
from pages.widgets.history import UNCHANGED, changes_by_run, config_of, is_probe, legend_label
from pages.widgets.markup import chips
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import poll_states
from pages.widgets.text import escape_html, escape_markdown, shorten
from trainer.config import Change
from trainer.settings import get_settings
from trainer.store import Run

SELECTED = "run"  # in the address, so that a link can point at a run
CHOICE = "health-run"


def page(context: PageContext) -> None:
    """Draw the page."""
    runs = [run for run in context.runs() if not is_probe(run)]
    st.html(
        '<h1 class="tp-page">Health</h1><p class="tp-quiet">What happens inside a run, layer by layer, while it trains. '
        "Watching changes no number of the training.</p>"
    )
    _say_if_missing(runs)
    if not runs:
        _none_yet(context)
        return
    changes = changes_by_run(runs)
    run = _choose(runs, changes)
    poll_states(context.store, runs)
    _show(context, run, changes[run.id])


def _say_if_missing(runs: Sequence[Run]) -> None:
    """A link may name a run that is gone or somebody else's."""
    asked: Any = st.query_params.get(SELECTED)
    if asked is not None and all(str(run.id) != asked for run in runs):
        st.info(
            f"Run {escape_markdown(shorten(asked, 20))} is not among yours; this is the newest that is.",
            icon=":material/info:",
        )


def _choose(runs: Sequence[Run], changes: dict[int, list[Change]]) -> Run:
    """The run that the select names: the address's at first, else the newest."""
    by_id = {run.id: run for run in runs}
    asked: Any = st.query_params.get(SELECTED, "")
    known = next((run.id for run in runs if str(run.id) == asked), runs[0].id)
    if st.session_state.get(CHOICE) not in by_id or (asked and str(st.session_state[CHOICE]) != asked):
        st.session_state[CHOICE] = known
    chosen = st.selectbox(
        "Run",
        list(by_id),
        format_func=lambda run_id: legend_label(by_id[run_id], changes[run_id]) if run_id in by_id else "",
        key=CHOICE,
        on_change=_follow,
        help="The newest run is shown first; the address names the one that you choose.",
        filter_mode=None,
    )
    return by_id[chosen] if chosen in by_id else runs[0]


def _follow() -> None:
    st.query_params[SELECTED] = str(st.session_state[CHOICE])


def _show(context: PageContext, run: Run, changes: Sequence[Change]) -> None:
    """The run's figures, or why there are none."""
    st.html(f'<span class="tp-lead">Differs from the run before by</span>{chips(changes, UNCHANGED)}')
    config = config_of(run)
    if config is None:
        _nothing(
            "Its knobs are of another version",
            "This run's knobs cannot be read here, so its layers are unknown.",
        )
    elif not config.health:
        _nothing(
            "Health was switched off for this run",
            "Turn on Record health under Run in the sidebar, and start a twin: it draws the same curves to the last digit.",
        )
    elif run.is_over and context.store.last_step(run.id, "health") < 0:
        _nothing(
            "This run recorded no health", "It ended before its first step, or an earlier version trained it."
        )
    else:
        token = page_token(get_settings().home, context.owner, [run.id])
        health_panel(run.id, legend_label(run, changes), config, token)


def _nothing(title: str, text: str) -> None:
    st.html(f'<div class="tp-empty"><h2>{escape_html(title)}</h2><p>{escape_html(text)}</p></div>')


def _none_yet(context: PageContext) -> None:
    _nothing("No runs yet", "Start one on the Train page: its layers appear here within a second.")
    with st.container(horizontal_alignment="center"):
        st.page_link(context.train_page, label="Go to Train", icon=":material/arrow_forward:")
