"""A chart of one number for each layer, from top to bottom as a batch passes them, on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from pages.widgets.text import shorten
from trainer.curves.palette import PALETTE
from trainer.preflight.findings import short

ROW_HEIGHT = 26  # pixels for each layer
MAX_TICKS = 7  # decades that are named on the axis
MAX_NAME = 22  # characters; a phone has no room for more beside the figure
GENERIC_PARTS = ("encoder", "embed", "body", "linear", "conv")
Row = tuple[str, float, str]
"""A layer's name, its number, and details for the tooltip."""


def theme_colors() -> list[str]:
    """Returns the palette for the visitor's theme."""
    return PALETTE["dark" if st.context.theme.type == "dark" else "light"]


def theme_color(index: int) -> str:
    """Returns a color of that palette."""
    return theme_colors()[index]


def draw_layer_chart(figure: go.Figure, key: str, subject: str, rows: Sequence[Row]) -> None:
    """Draws the figure, with its numbers as text for screen readers."""
    text = subject + ", ".join(f"{name} {short(value)}" for name, value, _ in rows) + "."
    config = {"displayModeBar": False, "scrollZoom": False}
    st.plotly_chart(figure, key=key, config=config, alt=shorten(text, 2000))


def layer_chart(rows: Sequence[Row], title: str, color: str) -> go.Figure:
    """Returns the figure. Values that a logarithmic axis has no place for, such as zero, are crosses at its edge."""
    low, high = _range([value for _, value, _ in rows])
    off_axis = [not _drawable(value) for _, value, _ in rows]
    figure = go.Figure(
        go.Scatter(
            x=[_at(value, low, high) for _, value, _ in rows],
            y=list(range(len(rows))),
            mode="lines+markers+text",
            line={"color": color, "width": 2.5},
            marker={"size": 9, "symbol": ["x" if one else "circle" for one in off_axis]},
            text=[short(value) if one else "" for one, (_, value, _) in zip(off_axis, rows, strict=True)],
            textposition="middle right",
            customdata=[(name, short(value), details) for name, value, details in rows],
            hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
            showlegend=False,
        )
    )
    figure.update_xaxes(
        dtick=math.ceil(math.log10(high / low) / MAX_TICKS),  # whole decades
        type="log",
        title=title,
        exponentformat="power",
        range=[math.log10(low), math.log10(high)],
    )
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[_name(name) for name, _, _ in rows],
        range=[len(rows) - 0.4, -0.6],
        showgrid=False,
        zeroline=False,
        automargin=True,
    )
    figure.update_layout(height=ROW_HEIGHT * len(rows) + 105, margin={"l": 0, "r": 12, "t": 22, "b": 45})
    return figure


def _name(name: str) -> str:
    """Returns a layer's name for the axis, without generic parts; the tooltip and the table have all of it."""
    brief = ".".join(part for part in name.split(".") if part not in GENERIC_PARTS) or name
    if ".attention." in brief or ".feedforward." in brief:  # 0.attention.query says which block that is
        brief = brief.removeprefix("blocks.")
    return brief if len(brief) <= MAX_NAME else f"…{brief[-MAX_NAME + 1 :]}"


def _drawable(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Returns the axis: all drawable values, and at least 0.1 to 10, so that a healthy line looks straight."""
    drawable = [value for value in values if _drawable(value)]
    return 0.5 * min([0.1, *drawable]), 2 * max([10.0, *drawable])


def _at(value: float, low: float, high: float) -> float:
    if _drawable(value):
        return value
    return 1.15 * low if value == 0 else 0.85 * high
