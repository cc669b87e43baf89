"""Figures of many runs: each group as one line with a band; of a comparison also the paired difference to its baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from trainer.comparison.analysis import Analysis
from trainer.comparison.bands import Aligned, Band, BandKind, align, band, paired, thin
from trainer.comparison.effects import Curves
from trainer.comparison.readings import READINGS
from trainer.describe.text import escape_html, shorten
from trainer.store import Points

BANDS: Final[dict[BandKind, str]] = {
    "mean": "Mean, 95% interval",
    "range": "Lowest–highest",
    "lines": "Every run",
}

_AROUND: Final[dict[str, Any]] = {
    # The legend stands below the toolbar, which is always there on a phone.
    "margin": {"l": 0, "r": 10, "t": 72, "b": 40},
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    "hovermode": "x unified",
}


class Group(NamedTuple):
    """Runs that are drawn as one, such as an arm's: their name and their aligned curves."""

    name: str
    curves: Aligned


class Look(NamedTuple):
    """How a group is drawn; "legendonly" until its name in the legend is clicked."""

    name: str
    color: str
    visible: bool | Literal["legendonly"]


def band_chart(
    found: Analysis,
    curves: Curves,
    colors: Sequence[str],
    kind: BandKind = "mean",
    log: bool = False,
) -> go.Figure:
    """Returns the figure: the curves of all arms, and where there is a second one, their differences to the first. Without any
    curves yet, its axes are empty. Behind the last of the colors the first follows."""
    arms = _arms(found, curves)
    label = "validation score" if READINGS[found.design.measure].score else "validation loss"
    return _banded(arms, label, [paired(arms[0].curves, arm.curves) for arm in arms[1:]], colors, kind, log)


def group_chart(
    groups: Sequence[Group], colors: Sequence[str], kind: BandKind = "mean", log: bool = False
) -> go.Figure:
    """Returns the validation loss of groups of runs, epoch by epoch."""
    return _banded(groups, "validation loss", [], colors, kind, log)


def _banded(
    groups: Sequence[Group],
    label: str,
    differences: Sequence[np.ndarray],
    colors: Sequence[str],
    kind: BandKind,
    log: bool,
) -> go.Figure:
    """Draws the groups and, where there are any, the differences of all but the first to it."""
    rows = 2 if any(len(one) for one in differences) else 1
    figure = make_subplots(
        rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.68, 0.32][:rows]
    )
    for place, group in enumerate(groups):
        # With fewer colors than groups, the first ones and the last: of combined techniques none and all of them.
        waits = len(colors) - 1 <= place < len(groups) - 1
        look = Look(_escaped(group.name), colors[place % len(colors)], "legendonly" if waits else True)
        _draw(figure, 1, look, group.curves.values, kind)
        if differences and place and len(differences[place - 1]):
            _draw(figure, 2, look, differences[place - 1], kind, legend=False)
    if len(groups) > len(colors):
        figure.update_layout(legend_title_text="Click a name to show or hide it:")
    figure.update_yaxes(title=label, row=1, col=1, type="log" if log else "linear")
    if rows == 2:
        figure.add_hline(y=0, line={"width": 1, "dash": "dash", "color": "gray"}, row=2, col=1)
        figure.update_yaxes(title="difference to baseline", row=2, col=1)
    figure.update_xaxes(title="epoch", row=rows, col=1)
    return figure.update_layout(height=600 if rows == 2 else 440, uirevision="comparison", **_AROUND)


def run_chart(runs: Sequence[tuple[str, Points]], colors: Sequence[str], log: bool = False) -> go.Figure:
    """Returns the validation loss of single runs, each with its name, epoch by epoch."""
    figure = go.Figure()
    for place, (name, curve) in enumerate(runs):
        loss = curve.column("val_loss", missing=math.nan)
        line = thin(Band(np.arange(1.0, len(loss) + 1), loss, loss, loss))
        style = {"color": colors[place % len(colors)], "width": 2}
        figure.add_scatter(
            x=line.x,
            y=line.middle,
            name=_escaped(name),
            line=style,
            mode="lines",
            hovertemplate="%{y:.4g}",
        )
    figure.update_yaxes(title="validation loss", type="log" if log else "linear").update_xaxes(title="epoch")
    return figure.update_layout(height=440, **_AROUND)


def _arms(found: Analysis, curves: Curves) -> list[Group]:
    """Returns what each arm's runs measured epoch by epoch: validation score where the arms are compared by one, else loss."""
    column = "val_metric" if READINGS[found.design.measure].score else "val_loss"
    return [
        Group(
            arm.name,
            align(
                {one: curves[run.id].column(column, missing=math.nan) for one, run in arm.runs.items()},
                {one: run.is_over for one, run in arm.runs.items()},
            ),
        )
        for arm in found.arms
    ]


def _draw(
    figure: go.Figure,
    row: int,
    look: Look,
    values: np.ndarray,
    kind: BandKind,
    legend: bool = True,
) -> None:
    if not len(values):
        return
    whole = band(values, kind)
    name, color, visible = look
    common = {"legendgroup": name, "hoverinfo": "skip", "showlegend": False, "visible": visible}
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
        visible=visible,
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
