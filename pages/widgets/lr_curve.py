"""The chart of a range test: the loss over the learning rate, with the suggested rates."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from trainer.curves.palette import PALETTE
from trainer.engine.lr_finder import Curve, Suggestion, smoothed

LOSS, STEEPEST, VALLEY = (PALETTE["light"][place] for place in (0, 1, 2))


def lr_curve(rates: Curve, losses: Curve, suggestion: Suggestion | None) -> go.Figure:
    """Returns the figure; its second trace, the smoothed curve, has the points to click."""
    smooth = smoothed(losses)
    figure = go.Figure([_raw_line(rates, losses), _smoothed_line(rates, smooth)])
    if suggestion is not None:
        _mark_rate(figure, "steepest", suggestion.steepest, STEEPEST, height=0.92, anchor="left")
        _mark_rate(figure, "valley", suggestion.valley, VALLEY, height=1, anchor="right")
    figure.update_xaxes(type="log", title="learning rate", exponentformat="power")
    figure.update_yaxes(title="loss", range=_loss_range(losses, smooth))
    figure.update_layout(
        height=440, margin={"l": 50, "r": 10, "t": 30, "b": 45}, legend={"orientation": "h", "y": 1.1}
    )
    return figure


def _raw_line(rates: Curve, losses: Curve) -> go.Scatter:
    return go.Scatter(x=rates, y=losses, name="each step", line={"color": LOSS, "width": 1}, opacity=0.3)


def _smoothed_line(rates: Curve, smooth: Curve) -> go.Scatter:
    return go.Scatter(
        x=rates,
        y=smooth,
        name="smoothed",
        mode="lines+markers",
        line={"color": LOSS, "width": 2.5},
        marker={"size": 4},
        hovertemplate="rate %{x:.3g}<br>loss %{y:.4g}<extra></extra>",
    )


def _mark_rate(figure: go.Figure, label: str, rate: float, color: str, *, height: float, anchor: str) -> None:
    figure.add_vline(x=rate, line={"color": color, "dash": "dash"})
    figure.add_annotation(
        x=np.log10(rate),  # annotations on a logarithmic axis are placed by exponent
        y=height,
        yref="paper",
        text=f"{label} {rate:.2g}",
        showarrow=False,
        xanchor=anchor,
    )


def _loss_range(losses: Curve, smooth: Curve) -> tuple[float, float] | None:
    """Returns a range with the whole raw line up to the bottom of the smoothed one, and as much of the explosion behind it as
    does not flatten the fall; None without a loss."""
    if not np.isfinite(smooth).any():
        return None
    bottom = int(np.nanargmin(np.where(np.isfinite(smooth), smooth, np.nan)))
    finite = losses[np.isfinite(losses)]
    before = losses[: bottom + 1][np.isfinite(losses[: bottom + 1])]
    top = min(float(finite.max()), max(float(before.max()), 5 * float(smooth[bottom])))
    lowest = float(finite.min())
    margin = 0.05 * (top - lowest)
    return lowest - margin, top + margin
