"""The LR finder page: grow the rate until the loss explodes, then take a rate from the curve into the sidebar."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pages.widgets.history import config_of, is_probe
from pages.widgets.knobs import load_config
from pages.widgets.live_chart import PALETTE
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import watch_states
from pages.widgets.text import escape_html, escape_markdown
from trainer.config import ConfigError, RunConfig
from trainer.engine.lr_finder import NAME, Suggestion, finder_config, smoothed, suggest
from trainer.lifecycle.requests import RequestKind
from trainer.registry import find
from trainer.store import Run, Store

INTERVAL = 0.5  # seconds between two looks at the curve while the test runs
RAW, SMOOTH, STEEPEST, VALLEY = (PALETTE["light"][place] for place in (0, 0, 1, 2))


def page(context: PageContext) -> None:
    """Draw the page."""
    st.html(
        '<h1 class="tp-page">LR finder</h1><p class="tp-quiet">Trains for a moment with a learning rate that grows at every '
        "step, until the loss explodes. A good rate lies on the slope, well before the bottom. The test is a run of its own: "
        "no other run's weights are touched.</p>"
    )
    config = _range_config(context)
    runs = [run for run in context.runs() if is_probe(run)]
    current = runs[0] if runs else None
    busy = current is not None and not current.is_over
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Find",
            key="find-lr",
            type="primary",
            icon=":material/troubleshoot:",
            disabled=config is None or busy,
            on_click=_find,
            args=(context, config),
            help="Run the test with the sidebar's knobs.",
        )
        if busy:
            st.button(
                "Stop", key="stop-lr", icon=":material/stop:", on_click=_stop, args=(context.store, current)
            )
    watch_states(context.store, runs[:1])
    if current is None:
        st.html(
            '<div class="tp-empty"><h2>No test yet</h2><p>Press Find: the curve appears here within a second.</p></div>'
        )
        return
    if busy:
        st.fragment(_curve, run_every=INTERVAL)(context, current)
    else:  # not a fragment: its buttons move the sidebar
        _curve(context, current)


def _range_config(context: PageContext) -> RunConfig | None:
    """The test's configuration from the sidebar and this page's three fields, or None with the reason shown."""
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
        st.error(escape_markdown(context.knobs.problems[0]))
        return None
    try:
        return finder_config(context.knobs.config, **values)
    except ConfigError as error:
        st.error(escape_markdown(error))
        return None


def _find(context: PageContext, config: RunConfig) -> None:
    """Queue the test, unless one is under way: a double click starts one."""
    if not any(is_probe(run) for run in context.store.live() if run.owner == context.owner):
        context.store.create_run(config, context.owner, name=NAME)


def _stop(store: Store, run: Run) -> None:
    store.request(run.id, RequestKind.STOP)


def _curve(context: PageContext, run: Run) -> None:
    """The curve so far, and once the test is over what to make of it."""
    run = context.store.run(run.id)
    if run.error:
        st.error(escape_markdown(run.error))
    points = context.store.read_points(run.id, "step")
    rates, losses = points.column("lr"), points.column("loss")
    if not len(rates):
        st.html('<p class="tp-waiting" role="status"><i></i>The first points are on their way…</p>')
        return
    found = suggest(rates, losses) if run.is_over else None
    event: Any = st.plotly_chart(
        _figure(rates, losses, found),
        key=f"lr-curve-{run.id}",
        on_select="rerun" if run.is_over else "ignore",
        selection_mode="points",
    )
    if run.is_over:
        _offer(context, run, found, event)


def _figure(rates: np.ndarray, losses: np.ndarray, found: Suggestion | None) -> go.Figure:
    smooth = smoothed(losses)
    best = float(np.nanmin(np.where(np.isfinite(smooth), smooth, np.nan)))
    figure = go.Figure(
        [
            go.Scatter(x=rates, y=losses, name="each step", line={"color": RAW, "width": 1}, opacity=0.3),
            go.Scatter(
                x=rates,
                y=smooth,
                name="smoothed",
                mode="lines+markers",
                line={"color": SMOOTH, "width": 2.5},
                marker={"size": 4},
                hovertemplate="rate %{x:.3g}<br>loss %{y:.4g}<extra></extra>",
            ),
        ]
    )
    for label, rate, color in (
        ()
        if found is None
        else (
            ("steepest", found.steepest, STEEPEST),
            ("valley", found.valley, VALLEY),
        )
    ):
        figure.add_vline(x=rate, line={"color": color, "dash": "dash"})
        figure.add_annotation(
            x=np.log10(rate),  # annotations on a logarithmic axis are placed by exponent
            y=1 if label == "valley" else 0.92,
            yref="paper",
            text=f"{label} {rate:.2g}",
            showarrow=False,
            xanchor="right" if label == "valley" else "left",
        )
    figure.update_xaxes(type="log", title="learning rate", exponentformat="power")
    figure.update_yaxes(
        title="loss", range=[0.8 * best, min(float(smooth[np.isfinite(smooth)].max()), 5 * best) * 1.1]
    )
    figure.update_layout(
        height=440, margin={"l": 50, "r": 10, "t": 30, "b": 45}, legend={"orientation": "h", "y": 1.1}
    )
    return figure


def _offer(context: PageContext, run: Run, found: Suggestion | None, event: Any) -> None:
    """Buttons that take a rate into the sidebar: both suggestions, and the point that was clicked."""
    if found is None:
        st.html(
            '<p class="tp-quiet">The loss never fell here, so there is nothing to suggest. Try a wider range or more steps.</p>'
        )
    offers = {} if found is None else {"valley": found.valley, "steepest": found.steepest}
    if event.selection.points:
        offers["clicked"] = float(event.selection.points[0]["x"])
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for label, rate in offers.items():
            st.button(
                f"Use {rate:.2g} ({label})",
                key=f"take-{label}",
                on_click=_take,
                args=(context, rate),
                help="Set the sidebar's learning rate.",
            )
        st.html(
            '<span class="tp-quiet">Or click a point of the curve. Valley is the more cautious choice.</span>'
        )
    taken, config = st.session_state.get("lr-taken"), config_of(run)
    if taken and config and context.knobs.config and context.knobs.config.learning_rate == taken:
        st.html(f'<p role="status">{escape_html(f"The learning rate is now {taken:.3g}.")}</p>')


def _take(context: PageContext, rate: float) -> None:
    rounded = float(f"{rate:.2g}")
    st.session_state["lr-taken"] = rounded
    load_config((context.knobs.config or RunConfig()).changed({"learning_rate": rounded}))
