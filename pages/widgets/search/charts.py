"""The charts of a search: the best so far, parallel coordinates, and how important each knob is."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from pages.widgets.knob_lines import FEWEST, MAX_AXES, axes_of, draw_lines, lines_figure
from pages.widgets.layer_chart import theme_color
from pages.widgets.markup import quiet
from pages.widgets.text import escape_html, shorten
from trainer.comparison.search.analysis import Found
from trainer.config import RunConfig
from trainer.formatting import format_number

LOG_RANGE = 10.0
"""From the largest to the smallest value; beyond, the axis is logarithmic."""


def draw_charts(found: Found) -> None:
    """Draws what the trials so far allow."""
    ended = [
        (one, one.value, config)
        for one in found.complete
        if one.value is not None and (config := one.config) is not None
    ]
    if not ended or found.best is None:
        return
    st.html('<h2 class="tp-title">Best so far</h2>')
    st.plotly_chart(
        progress_figure(found),
        key="search-progress",
        config={"displayModeBar": False},
        alt=f"The best {found.measure.label} after each trial; now {format_number(found.best.value)}.",
    )
    if len(ended) >= FEWEST:
        _knob_lines(found, [value for _, value, _ in ended], [config for _, _, config in ended])
    if found.importance:
        _importance(found)


def progress_figure(found: Found) -> go.Figure:
    """Returns a point for each trial that has a result, and the best so far as a line."""
    numbers = [one.number + 1 for one in found.complete]
    values = [one.value or 0.0 for one in found.complete]
    figure = go.Figure()
    figure.add_scatter(
        x=numbers,
        y=values,
        mode="markers",
        name="trial",
        marker={"color": theme_color(7), "size": 7},
        hovertemplate="Trial %{x}: %{y:.4g}<extra></extra>",
    )
    figure.add_scatter(
        x=[number + 1 for number, _ in found.best_so_far],
        y=[value for _, value in found.best_so_far],
        mode="lines",
        name="best so far",
        line={"color": theme_color(0), "width": 2.5, "shape": "hv"},
        hovertemplate="Best of %{x}: %{y:.4g}<extra></extra>",
    )
    spread = min(values) > 0 and max(values) / min(values) > LOG_RANGE
    figure.update_yaxes(title=escape_html(found.measure.label), type="log" if spread else "linear")
    figure.update_xaxes(title="trial", range=[0.5, max(found.design.trials, 2) + 0.5])
    return figure.update_layout(
        height=320,
        margin={"l": 0, "r": 10, "t": 30, "b": 40},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )


def _knob_lines(found: Found, values: list[float], configs: list[RunConfig]) -> None:
    order = [key for key in found.importance if key in found.design.space]
    keys = list(dict.fromkeys([*order, *found.design.space]))[:MAX_AXES]
    having = [key for key in keys if any(key in config.flat() for config in configs)]
    st.html('<h2 class="tp-title">Knobs and results</h2>')
    axes = axes_of(configs, values, having, found.measure.label.capitalize())
    draw_lines(
        lines_figure(axes, lower_is_better=found.measure.lower_is_better),
        f"Parallel coordinates of {len(values)} trials; the table below has the same values.",
    )
    st.html(quiet("A line for each trial with a result; the stronger, the better it came out."))


def _importance(found: Found) -> None:
    st.html('<h2 class="tp-title">How much each knob mattered</h2>')
    shares = found.importance
    names = [escape_html(shorten(found.label(key), 32)) for key in shares]
    figure = go.Figure(
        go.Bar(
            x=list(shares.values()),
            y=names,
            orientation="h",
            marker={"color": theme_color(0)},
            hovertemplate="%{y}: %{x:.0%}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(range=[0, 1], tickformat=".0%")
    figure.update_layout(
        height=70 + 34 * len(shares), margin={"l": 10, "r": 10, "t": 10, "b": 30}, dragmode=False, bargap=0.35
    )
    st.plotly_chart(
        figure,
        key="search-importance",
        config={"displayModeBar": False, "scrollZoom": False},
        alt=", ".join(f"{found.label(key)} {share:.0%}" for key, share in shares.items()),
    )
    st.html(
        quiet(
            "By PED-ANOVA (Watanabe et al. 2023): how far the values of the better half of the trials differ from those of all. "
            "With few trials it is a rough guide."
        )
    )
