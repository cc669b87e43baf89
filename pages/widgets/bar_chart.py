"""Bar charts of uploaded data: how many rows or images there are of each class, or by value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from pages.widgets.text import escape_html, shorten
from trainer.curves.palette import PALETTE


def class_bars(names: Sequence[str], counts: Sequence[int], unit: str) -> go.Figure:
    """Returns a bar for each class, in this order. Names are other people's text."""
    places = np.arange(len(names))
    figure = _bars(places, counts, f"%{{y}} {unit}", unit)
    labels = [escape_html(shorten(name, 24)) for name in names]
    return figure.update_xaxes(tickvals=places, ticktext=labels)


def value_bars(values: NDArray[Any], counts: Sequence[int], unit: str, name: str) -> go.Figure:
    """Returns a bar at each of these values of a column."""
    return _bars(values, counts, f"%{{y}} {unit}", unit).update_xaxes(title=_label(name))


def histogram(centers: NDArray[Any], counts: Sequence[int], unit: str, name: str) -> go.Figure:
    """Returns a bar for each bin of a column's values, with hardly a gap between them."""
    figure = _bars(centers, counts, f"%{{y}} {unit} near %{{x}}", unit)
    return figure.update_xaxes(title=_label(name)).update_layout(bargap=0.04)


def draw_bars(figure: go.Figure, title: str, key: str) -> None:
    """Draws the chart. The title may hold other people's text."""
    figure.update_layout(
        height=300,
        margin={"l": 50, "r": 10, "t": 34, "b": 40},
        title={"text": escape_html(title), "font": {"size": 14}},
    )
    st.plotly_chart(figure, key=key, config={"displayModeBar": False})


def _bars(x: NDArray[Any], counts: Sequence[int], hover: str, unit: str) -> go.Figure:
    bar = go.Bar(
        x=x, y=np.array(counts), marker_color=PALETTE["light"][0], hovertemplate=f"{hover}<extra></extra>"
    )
    return go.Figure(bar).update_yaxes(title=unit)


def _label(name: str) -> str:
    return escape_html(shorten(name, 40))
