"""The Train page: start a run, watch it, and compare it with those before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pages.live.tokens import page_token
from pages.widgets.baseline import pinned, reference
from pages.widgets.chart_selection import (
    Place,
    chart_options,
    chart_selection,
    choose,
    clear,
    hide_other_data,
)
from pages.widgets.download import data_is_ready
from pages.widgets.health_panel import boundary_of
from pages.widgets.history import config_of, differences_by_run, is_probe, legend_label, task_of
from pages.widgets.knob_changes import MAX_SHOWN, shown_changes
from pages.widgets.launch import launch
from pages.widgets.live_chart import Score, ShownRun, live_panel
from pages.widgets.markup import chips, problem, quiet
from pages.widgets.page_context import PageContext
from pages.widgets.preflight import preflight_section
from pages.widgets.run_card import run_card
from pages.widgets.run_polling import poll_states, reporting_errors
from pages.widgets.space_limits import space_left
from pages.widgets.steering import overview, steering_buttons
from pages.widgets.text import escape_html, run_title
from trainer.config import RunConfig, diff
from trainer.describe.labels import Differences
from trainer.lifecycle.hot_knobs import KnobChange
from trainer.preflight.plan import PlannedRate, planned_rate
from trainer.settings import get_settings
from trainer.spaces.limits import new_runs
from trainer.store import Run

Descriptions = Mapping[int, Differences]
Places = Mapping[int, Place]
Changes = Mapping[int, Sequence[KnobChange]]


def page(context: PageContext) -> None:
    """Draws the page."""
    runs = [run for run in context.runs() if not is_probe(run)]
    places = chart_selection(runs)
    differs = differences_by_run(runs, pinned(runs))
    ready = data_is_ready(context)
    plan = planned_rate(context.knobs.config) if context.knobs.config else None
    _draw_controls(context, runs, plan, ready=ready)
    poll_states(context, runs, each=lambda live: overview(context, _live(live)))
    preflight_section(context, ready=ready)
    changes = context.store.knob_changes_of(places)
    _draw_charts(context, runs, plan, places, differs, changes)
    _draw_cards(context, runs, places, differs, changes)


def _draw_controls(
    context: PageContext, runs: Sequence[Run], plan: PlannedRate | None, *, ready: bool
) -> None:
    """Draws Start, Pause or Resume, Stop, what the next run changes, and whether there is room for it."""
    live = _live([run for run in runs if run.owner == context.owner])
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
        steering_buttons(context, live)
        st.html(_next_run(context, runs, ready=ready), width="stretch")
    space_left(context, new_runs(), steps=plan.steps[-1] + 1 if plan else 0)


def _live(runs: Sequence[Run]) -> list[Run]:
    """Returns those of the visitor's runs that are not over, in the order in which they were started."""
    return sorted((run for run in runs if not run.is_over and not is_probe(run)), key=lambda run: run.id)


@reporting_errors()
def _start(context: PageContext, config: RunConfig, earlier: Sequence[Run]) -> None:
    """Queues a run and puts it on the axes."""
    launch(context.store, context.owner, config)
    hide_other_data(earlier, config.data.name)


def _next_run(context: PageContext, runs: Sequence[Run], *, ready: bool) -> str:
    """Returns HTML: what the next run changes, or why it cannot start."""
    config = context.knobs.config
    if config is None:
        return problem(context.knobs.problems[0])
    if not ready:
        return '<p class="tp-quiet">Add what is missing above before you start.</p>'
    before = pinned(runs) or next(iter(runs), None)
    last = config_of(before) if before else None
    changes = diff(last or RunConfig(), config)
    if changes:
        lead = f"Next run changes, compared with {run_title(before)}:" if before and last else "First run:"
        return f'<span class="tp-lead">{escape_html(lead)}</span>{chips(changes)}'
    if before and last and before.follows_its_config:
        return chips([], f"Same knobs and seed as {run_title(before)}: it would draw the same curve.")
    if before and last:
        return chips([], f"The knobs and seed with which {run_title(before)} began.")
    return chips([], "Default knobs: handwritten digits, a small network, Adam.")


def _draw_charts(
    context: PageContext,
    runs: Sequence[Run],
    plan: PlannedRate | None,
    places: Places,
    differs: Descriptions,
    changes: Changes,
) -> None:
    """Draws the live panel, which keeps its charts mounted from one script run to the next."""
    by_id = {run.id: run for run in runs}
    options = chart_options()
    config = context.knobs.config
    if plan and plan.note:
        st.html(f'<p class="tp-quiet">Planned learning rate: {escape_html(plan.note)}</p>')
    live_panel(
        [
            _shown(by_id[run_id], place, differs[run_id], changes.get(run_id, ()))
            for run_id, place in places.items()
        ],
        page_token(get_settings().home, context.owner, places),
        planned=_drawn(plan) if plan else None,
        score=_score(config_of(by_id[max(places)]) if places else config),
        follow=max(places, default=None),
        empty="Press Start: the curves appear here within a second.",
        options=options.model_dump() if options else None,
        on_choices=choose,
        on_clear=clear,
    )


def _drawn(plan: PlannedRate) -> dict[str, Any]:
    return {"steps": plan.steps, "lr": plan.lr, "steps_per_epoch": plan.steps_per_epoch}


def _shown(run: Run, place: Place, differs: Differences, changes: Sequence[KnobChange]) -> ShownRun:
    config = config_of(run)
    applied = shown_changes(run, changes)
    clip = config.clipping.knobs.get("max_norm") if config else None
    label = legend_label(run, differs)
    return ShownRun(
        run.id,
        label,
        place.color,
        place.visible,
        clip,
        boundary_of(config),
        str(differs),
        applied[-MAX_SHOWN:],
        len(applied[:-MAX_SHOWN]),
    )


def _score(config: RunConfig | None) -> Score:
    if task_of(config) == "classification":
        return Score("Accuracy", percent=True)
    return Score("Mean absolute error", percent=False)


def _draw_cards(
    context: PageContext, runs: Sequence[Run], places: Places, differs: Descriptions, changes: Changes
) -> None:
    """Draws a card for each run on the axes, newest first."""
    if not places:
        return
    explanation = (
        f"Each is named by what differs from {reference(runs)}. Pin or unpin a baseline under Actions."
    )
    st.html(f'<h2 class="tp-title">Runs on the charts</h2>{quiet(explanation)}')
    for run in runs:
        if run.id in places:
            run_card(context, run, places[run.id], differs[run.id], changes.get(run.id, ()))
