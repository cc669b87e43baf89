"""Charts of a comparison: each arm's seeds as one line with a band, and the paired difference to the baseline under it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages.widgets.layer_chart import theme_color
from pages.widgets.live_chart import PALETTE
from pages.widgets.text import escape_html, shorten
from trainer.comparison.bands import Aligned, Band, BandKind, band, paired, thin

BANDS: Final[dict[BandKind, str]] = {
    "mean": "Mean with 95% interval",
    "range": "Lowest to highest",
    "lines": "Every seed",
}


class ArmCurves(NamedTuple):
    """An arm's name and its aligned curves."""

    name: str
    curves: Aligned


def band_chart(arms: Sequence[ArmCurves], label: str, kind: BandKind, log: bool) -> go.Figure:
    """Returns the figure: the curves of all arms, and where there is a second one, their differences to the first."""
    differences = [paired(arms[0].curves, arm.curves) for arm in arms[1:]]
    rows = 2 if any(len(one) for one in differences) else 1
    figure = make_subplots(
        rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.68, 0.32][:rows]
    )
    for place, arm in enumerate(arms):
        _draw(
            figure, 1, _escaped(arm.name), theme_color(place % len(PALETTE["light"])), arm.curves.values, kind
        )
    for place, (arm, values) in enumerate(zip(arms[1:], differences, strict=True), start=1):
        if len(values):
            _draw(
                figure,
                2,
                _escaped(arm.name),
                theme_color(place % len(PALETTE["light"])),
                values,
                kind,
                legend=False,
            )
    figure.update_yaxes(title=label, row=1, col=1, type="log" if log else "linear")
    if rows == 2:
        figure.add_hline(y=0, line={"width": 1, "dash": "dash", "color": "gray"}, row=2, col=1)
        figure.update_yaxes(title="difference to baseline", row=2, col=1)
    figure.update_xaxes(title="epoch", row=rows, col=1)
    figure.update_layout(
        height=600 if rows == 2 else 440,
        # The legend stands below the toolbar, which is always there on a phone.
        margin={"l": 0, "r": 10, "t": 72, "b": 40},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        hovermode="x unified",
        uirevision="comparison",
    )
    return figure


def _draw(
    figure: go.Figure,
    row: int,
    name: str,
    color: str,
    values: np.ndarray,
    kind: BandKind,
    legend: bool = True,
) -> None:
    if not len(values):
        return
    whole = band(values, kind)
    common = {"legendgroup": name, "hoverinfo": "skip", "showlegend": False}
    if kind == "lines":
        for line in values:
            one = thin(Band(np.arange(1.0, len(line) + 1), line, line, line))
            figure.add_scatter(
                x=one.x,
                y=one.middle,
                line={"color": color, "width": 1},
                opacity=0.35,
                row=row,
                col=1,
                **common,
            )
    else:
        edge = {"width": 0, "color": color}
        figure.add_scatter(x=whole.x, y=whole.high, line=edge, mode="lines", row=row, col=1, **common)
        figure.add_scatter(
            x=whole.x,
            y=whole.low,
            line=edge,
            mode="lines",
            fill="tonexty",
            fillcolor=_faint(color),
            row=row,
            col=1,
            **common,
        )
    figure.add_scatter(
        x=whole.x,
        y=whole.middle,
        name=name,
        legendgroup=name,
        showlegend=legend,
        line={"color": color, "width": 2.5},
        hovertemplate="%{y:.4g}",
        row=row,
        col=1,
    )


def _faint(color: str) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.18)"


def _escaped(name: str) -> str:
    return escape_html(shorten(name, 40))
