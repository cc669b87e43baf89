"""The LR finder page: grow the rate until the loss explodes, then load a rate from the curve into the sidebar."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.widgets.history import is_probe
from pages.widgets.knobs import load_config
from pages.widgets.lr_curve import lr_curve
from pages.widgets.markup import problem, waiting
from pages.widgets.page_context import PageContext
from pages.widgets.page_parts import empty_state, heading
from pages.widgets.run_polling import poll_states, reporting_errors, send_request
from pages.widgets.space_limits import space_left
from pages.widgets.text import escape_html, escape_markdown
from trainer.config import ConfigError, RunConfig, with_rate
from trainer.engine.lr_finder import NAME, Suggestion, finder_config, suggest
from trainer.lifecycle.requests import RequestKind
from trainer.registry import find
from trainer.spaces.limits import new_runs
from trainer.store import Run

REDRAW_INTERVAL = 0.5  # seconds, while the test runs
TAKEN = "lr-taken"


def page(context: PageContext) -> None:
    """Draws the page."""
    heading(
        "LR finder",
        "Trains briefly while the learning rate grows at every step, until the loss explodes. A good rate lies on the slope, "
        "well before the bottom. The test is a run of its own: it changes no other run's weights.",
    )
    config = _draw_range(context)
    run = next((run for run in context.runs() if is_probe(run)), None)
    _draw_controls(context, config, run)
    poll_states(context, [run] if run else [])
    if run is None:
        empty_state("No test yet", "Press Find: the curve appears here within a second.")
    elif run.is_over:  # not in a fragment: its buttons change the sidebar
        _draw_test(context, run)
    else:
        st.fragment(_draw_test, run_every=REDRAW_INTERVAL)(context, run)


def _draw_range(context: PageContext) -> RunConfig | None:
    """Draws the test's three fields; returns its configuration, or None with the reason drawn."""
    knobs = find("schedule", "range_test").knobs
    with st.container(horizontal=True, gap="small", key="lr-range"):
        values = {
            name: st.number_input(
                knob.label,
                value=knob.default,
                format="%d" if knob.kind == "int" else "%g",
                step=knob.step if knob.kind == "int" else None,
                key=f"lr-{name}",
                help=f"{escape_markdown(knob.help)} Allowed: {escape_markdown(knob.bounds)}.",
            )
            for name, knob in knobs.items()
        }
    if context.knobs.config is None:
        st.html(problem(context.knobs.problems[0]))
        return None
    try:
        return finder_config(context.knobs.config, **values)
    except ConfigError as error:
        st.html(problem(str(error)))
        return None


def _draw_controls(context: PageContext, config: RunConfig | None, run: Run | None) -> None:
    """Draws Find, and Stop while a test is under way."""
    own = run is not None and context.refusal(run) is None
    active = run if run and own and not run.is_over else None
    if active is None:
        space_left(context, new_runs())
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Find",
            key="find-lr",
            type="primary",
            icon=":material/troubleshoot:",
            disabled=config is None or active is not None,
            on_click=_find,
            args=(context, config),
            help="Run the test with the sidebar's knobs.",
        )
        if active is not None:
            st.button(
                "Stop",
                key="stop-lr",
                icon=":material/stop:",
                on_click=send_request,
                args=(context, active.id, RequestKind.STOP),
            )


@reporting_errors()
def _find(context: PageContext, config: RunConfig) -> None:
    """Queues a test, unless one is under way, so that a double click starts only one."""
    if not any(is_probe(run) for run in context.store.live(context.owner)):
        context.store.create_run(config, context.owner, name=NAME)


def _draw_test(context: PageContext, run: Run) -> None:
    """Draws the curve so far and, once the test is over, the rates to choose from."""
    run = context.store.run(run.id)
    if run.error:
        st.html(problem(run.error))
    points = context.store.read_points(run.id, "step")
    rates, losses = points.column("lr"), points.column("loss")
    if not len(rates):
        st.html(waiting("Waiting for the first points…"))
        return
    suggestion = suggest(rates, losses) if run.is_over else None
    event: Any = st.plotly_chart(
        lr_curve(rates, losses, suggestion),
        key=f"lr-curve-{run.id}",
        on_select="rerun" if run.is_over else "ignore",
        selection_mode="points",
    )
    if run.is_over:
        _offer_rates(context, suggestion, event.selection.points)


def _offer_rates(context: PageContext, suggestion: Suggestion | None, clicked: list[dict[str, Any]]) -> None:
    """Draws a button for each suggestion and for the point that was clicked."""
    if suggestion is None:
        st.html(
            '<p class="tp-quiet">The loss never fell, so there is no suggestion. Try a wider range or more steps.</p>'
        )
    rates = {"valley": suggestion.valley, "steepest": suggestion.steepest} if suggestion else {}
    if clicked:
        rates["clicked"] = float(clicked[0]["x"])
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for label, rate in rates.items():
            st.button(
                f"Use {rate:.2g} ({label})",
                key=f"take-{label}",
                on_click=_use,
                args=(context, rate),
                help="Set the sidebar's learning rate.",
            )
        st.html(
            '<span class="tp-quiet">Or click a point on the curve. Valley is the more cautious choice.</span>'
        )
    taken, config = st.session_state.get(TAKEN), context.knobs.config
    if taken and config and config.learning_rate == taken:
        st.html(f'<p role="status">{escape_html(f"The learning rate is now {taken:.3g}.")}</p>')


def _use(context: PageContext, rate: float) -> None:
    config = context.knobs.config or RunConfig()
    config = config.changed(with_rate(config, rate))
    st.session_state[TAKEN] = config.learning_rate
    load_config(config)
