"""Parallel coordinates: a line for each run through its knobs to its validation loss.

Drawn as plain lines: Plotly's own parallel coordinates need WebGL, which not every machine in a classroom has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import plotly.graph_objects as go
import streamlit as st

from pages.widgets.layer_chart import theme_color
from pages.widgets.markup import quiet
from pages.widgets.text import escape_html, shorten
from trainer.config import RunConfig
from trainer.describe.run_set import alike_in_data, is_seed, knob_columns, knob_of
from trainer.store import Run

FEWEST: Final = 3
"""Lines that show more than the table does."""
MAX_AXES: Final = 6
MAX_TICKS: Final = 8
LOSS: Final = "Lowest val. loss"
BEHIND: Final = {"light": "rgba(255, 255, 255, 0.7)", "dark": "rgba(14, 17, 23, 0.7)"}
"""What stands behind a tick's text, by theme: lines pass there."""
OPACITIES: Final = (0.12, 0.2, 0.3, 0.5, 0.9)
"""How strong the lines of each fifth of the runs are, from the worst to the best."""


class Axis(NamedTuple):
    """A vertical axis: where each run crosses it, and its ticks, all from 0 to 1."""

    label: str
    places: list[float]
    ticks: dict[float, str]


def knob_lines(runs: Sequence[Run], configs: Sequence[RunConfig], keys: Sequence[str]) -> None:
    """Draws the runs that have a result, on the data set that most of them trained on; nothing where they are too few."""
    ended = [
        (loss, configs[place]) for place in alike_in_data(configs) if (loss := _loss(runs[place])) is not None
    ]
    shown = [key for key in keys if key.partition(".")[0] != "data" and not is_seed(key)][:MAX_AXES]
    if len(ended) < FEWEST or not shown:
        return
    figure = lines_figure(axes_of([config for _, config in ended], [loss for loss, _ in ended], shown))
    draw_lines(figure, f"Parallel coordinates of {len(ended)} runs; the table above has the same values.")
    left_out = len(runs) - len(ended)
    said = f" {left_out} on other data or without a result are left out." if left_out else ""
    st.html(quiet(f"A line for each run; the stronger, the lower its validation loss.{said}"))


def draw_lines(figure: go.Figure, alt: str) -> None:
    """Draws the figure; on a phone it scrolls sideways, as its axes need room for their ticks."""
    with st.container(key="knob-lines"):
        st.plotly_chart(
            figure, key="knob-lines-chart", config={"displaylogo": False, "staticPlot": True}, alt=alt
        )


def axes_of(
    configs: Sequence[RunConfig], values: Sequence[float], keys: Sequence[str], label: str = LOSS
) -> list[Axis]:
    """Returns an axis for each key, in the scale of its knob, and the last for the values, such as losses."""
    columns = knob_columns(configs, keys)
    found = [
        _numbers(name, column, logarithmic=_is_logarithmic(key, configs))
        if all(isinstance(value, int | float) for value in column)
        else _words(name, column)
        for key, (name, column) in zip(keys, columns.items(), strict=True)
    ]
    return [*found, _numbers(label, values, logarithmic=min(values) > 0)]


def lines_figure(axes: Sequence[Axis], *, lower_is_better: bool = True) -> go.Figure:
    """Returns the figure; the runs with the best value are drawn last, above the others."""
    sign = -1 if lower_is_better else 1
    order = sorted(range(len(axes[-1].places)), key=lambda run: sign * axes[-1].places[run])
    figure, behind = go.Figure(), BEHIND[st.context.theme.type or "light"]
    size = math.ceil(len(order) / len(OPACITIES))
    for number, opacity in enumerate(OPACITIES):
        lines = [
            [*(axis.places[run] for axis in axes), None] for run in order[number * size : (number + 1) * size]
        ]
        figure.add_scatter(
            x=[*range(len(axes)), None] * len(lines),
            y=[place for line in lines for place in line],
            mode="lines",
            line={"color": theme_color(0), "width": 2},
            opacity=opacity,
        )
    # All at once: Plotly checks the whole list again for each that is added.
    names: list[dict[str, Any]] = []
    for number, axis in enumerate(axes):
        outside = (
            {"xanchor": "left", "xshift": 4}
            if number == len(axes) - 1
            else {"xanchor": "right", "xshift": -4}
        )
        names += [
            {
                "x": number,
                "y": place,
                "text": text,
                "showarrow": False,
                "font": {"size": 11},
                "bgcolor": behind,
                **outside,
            }
            for place, text in axis.ticks.items()
        ]
    upright = {"type": "line", "y0": 0, "y1": 1, "yref": "paper", "line": {"width": 1, "color": "gray"}}
    figure.update_layout(
        annotations=names,
        shapes=[{**upright, "x0": number, "x1": number} for number in range(len(axes))],
        height=360,
        margin={"l": 70, "r": 60, "t": 70, "b": 10},
        showlegend=False,
        xaxis={"side": "top"},
    )
    labels = [axis.label for axis in axes]
    figure.update_xaxes(
        tickvals=list(range(len(axes))), ticktext=labels, showgrid=False, range=[-0.4, len(axes) - 0.8]
    )
    figure.update_yaxes(visible=False, range=[-0.08, 1.08])
    return figure


def _loss(run: Run) -> float | None:
    best = (run.results or {}).get("best")
    loss = best.get("val_loss") if isinstance(best, dict) else None
    return float(loss) if isinstance(loss, int | float) and math.isfinite(loss) else None


def _is_logarithmic(key: str, configs: Sequence[RunConfig]) -> bool:
    knob = knob_of(key, next(config for config in configs if key in config.flat()))
    return bool(knob and knob.log) and all((config.flat().get(key) or 0) > 0 for config in configs)


def _numbers(name: str, values: Sequence[float], *, logarithmic: bool) -> Axis:
    """An axis with ticks at the values that occur, or evenly spaced where those are many."""
    distinct = sorted(set(values))
    low, high = (math.log10(end) if logarithmic else float(end) for end in (distinct[0], distinct[-1]))

    def place(value: float) -> float:
        return ((math.log10(value) if logarithmic else value) - low) / (high - low) if high > low else 0.5

    if len(distinct) > MAX_TICKS:
        even = [low + (high - low) * number / (MAX_TICKS - 1) for number in range(MAX_TICKS)]
        distinct = [10**one for one in even] if logarithmic else even
    return Axis(
        _text(name), [place(value) for value in values], {place(one): f"{one:.3g}" for one in distinct}
    )


def _words(name: str, values: Sequence[Any]) -> Axis:
    """An axis of words, in the order in which they come."""
    said = ["–" if value is None else str(value) for value in values]
    words = list(dict.fromkeys(said))
    places = {word: number / max(len(words) - 1, 1) for number, word in enumerate(words)}
    ticks = {places[word]: _text(word) for word in words[:: math.ceil(len(words) / MAX_TICKS)]}
    return Axis(_text(name), [places[word] for word in said], ticks)


def _text(text: str) -> str:
    return escape_html(shorten(text, 24))
