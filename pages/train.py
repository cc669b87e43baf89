"""The Train page: start a run, watch it, compare it with those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pages.live.tokens import page_token
from pages.widgets.chart_selection import Place, lineup
from pages.widgets.download import data_is_ready
from pages.widgets.history import changes_by_run, config_of, is_probe, legend_label, task_of
from pages.widgets.launch import launch
from pages.widgets.live_chart import Metric, ShownRun, live_panel
from pages.widgets.page_context import PageContext
from pages.widgets.preflight import before_section
from pages.widgets.run_card import run_card
from pages.widgets.run_polling import ask, telling, watch_states
from pages.widgets.text import chips, escape_html
from trainer.config import Change, RunConfig, diff
from trainer.engine.datasplit import steps_per_epoch
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState
from trainer.preflight.plan import planned_rate
from trainer.settings import get_settings
from trainer.store import Run, Store


def page(context: PageContext) -> None:
    """Draw the page."""
    runs = [run for run in context.runs() if not is_probe(run)]
    places = lineup(runs)
    changes = changes_by_run(runs)
    ready = data_is_ready(context)
    _controls(context, runs, ready=ready)
    watch_states(context.store, runs)
    before_section(context, ready=ready)
    _charts(context, runs, places, changes)
    _cards(context, runs, places, changes)


def _controls(context: PageContext, runs: Sequence[Run], *, ready: bool) -> None:
    """Start, Pause or Resume, Stop, and what the next run changes."""
    current = next((run for run in runs if not run.is_over and run.owner == context.owner), None)
    config = context.knobs.config
    with st.container(key="controls", horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Start",
            key="start",
            type="primary",
            icon=":material/play_arrow:",
            disabled=config is None or not ready,
            on_click=_start,
            args=(context, config, runs),
        )
        _pause_or_resume(context.store, current)
        st.button(
            "Stop",
            key="stop",
            icon=":material/stop:",
            disabled=current is None or current.request is RequestKind.STOP,
            on_click=ask,
            args=(context.store, current.id if current else 0, RequestKind.STOP),
            help="End the run after this step; what it learned is saved.",
        )
        st.html(_next_run(context, runs, ready=ready), width="stretch")


def _pause_or_resume(store: Store, current: Run | None) -> None:
    paused = current is not None and (
        current.status is RunState.PAUSED or current.request is RequestKind.PAUSE
    )
    kind = RequestKind.RESUME if paused else RequestKind.PAUSE
    st.button(
        kind.capitalize(),
        key=kind.value,
        icon=":material/resume:" if paused else ":material/pause:",
        disabled=current is None or current.request is RequestKind.STOP,
        on_click=ask,
        args=(store, current.id if current else 0, kind),
        help="Go on exactly where it left." if paused else "Save everything and wait.",
    )


def _next_run(context: PageContext, runs: Sequence[Run], *, ready: bool) -> str:
    """HTML: what the next run changes, or why it cannot start."""
    config = context.knobs.config
    if config is None:
        return f'<p class="tp-problem" role="alert">{escape_html(context.knobs.problems[0])}</p>'
    if not ready:
        return '<p class="tp-quiet">Start is ready once what is missing is here.</p>'
    last = config_of(runs[0]) if runs else None
    if last is None:
        changed, none = diff(RunConfig(), config), "Default knobs: handwritten digits, a small network, Adam."
        return (
            chips(changed, none)
            if not changed
            else f'<span class="tp-lead">First run:</span>{chips(changed)}'
        )
    changed = diff(last, config)
    if not changed:
        return chips([], "Same knobs and seed as the last run: it would draw the same curve.")
    return f'<span class="tp-lead">Next run changes</span>{chips(changed)}'


@telling()
def _start(context: PageContext, config: RunConfig, known: Sequence[Run]) -> None:
    """Queue a run and put it on the axes. A double click starts one."""
    if launch(context.store, context.owner, config) is not None:
        _hide_others(config, known)


def _hide_others(config: RunConfig, known: Sequence[Run]) -> None:
    """Losses on other data mean something else: those runs leave the view, not the list."""
    places: dict[int, Place] = st.session_state["lineup"]
    for run in known:
        place = places.get(run.id)
        if place is not None and place.visible:
            other = config_of(run)
            place.visible = other is None or other.data.name == config.data.name


def _charts(
    context: PageContext, runs: Sequence[Run], places: dict[int, Place], changes: dict[int, list[Change]]
) -> None:
    """The live panel. It is drawn on every run of the script and keeps its charts mounted all the same."""
    by_id = {run.id: run for run in runs}
    shown = [_shown(by_id[run_id], place, changes[run_id]) for run_id, place in places.items()]
    newest = config_of(by_id[max(places)]) if places else context.knobs.config
    planned = _planned(context.knobs.config)
    if planned and planned["note"]:
        st.html(f'<p class="tp-quiet">Planned learning rate: {escape_html(planned["note"])}</p>')
    live_panel(
        shown,
        page_token(get_settings().home, context.owner, places),
        planned=planned,
        metric=_metric(newest),
        follow=max(places) if places else None,
        empty="Press Start: the curves appear here within a second.",
    )


def _shown(run: Run, place: Place, changes: list[Change]) -> ShownRun:
    config = config_of(run)
    clip = config.clipping.knobs.get("max_norm") if config else None
    return ShownRun(run.id, legend_label(run, changes), place.color, place.visible, clip)


def _metric(config: RunConfig | None) -> Metric:
    if config is None or task_of(config) == "classification":
        return Metric("Accuracy", percent=True)
    return Metric("Mean absolute error", percent=False)


def _planned(config: RunConfig | None) -> dict[str, Any] | None:
    """The learning rate that the knobs plan, drawn before anything runs."""
    if config is None:
        return None
    plan, per_epoch = planned_rate(config), steps_per_epoch(config)
    return {
        "steps": [round(epoch * per_epoch) for epoch in plan.epochs],
        "lr": plan.lr,
        "steps_per_epoch": per_epoch,
        "note": plan.note,
    }


def _cards(
    context: PageContext, runs: Sequence[Run], places: dict[int, Place], changes: dict[int, list[Change]]
) -> None:
    """The runs on the axes, newest first."""
    if not places:
        return
    st.html('<h2 class="tp-title">On the chart</h2>')
    for run in runs:
        if run.id in places:
            run_card(context, run, places[run.id], changes[run.id])
