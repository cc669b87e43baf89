"""What "Before step 1" shows: two figures, samples, and a table of memory, each with how to read it and as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages.widgets.live_chart import PALETTE
from pages.widgets.samples import samples_html
from pages.widgets.text import escape_html, shorten
from trainer.config import RunConfig
from trainer.preflight.findings import HEALTHY_STD, Observation, bytes_text, loss_text, observations, short
from trainer.preflight.plan import planned_rate

ROW = 26  # pixels for each layer
MOST_TICKS = 7  # decades that are named on an axis
LONGEST_NAME = 22  # characters; a phone has no room for more beside the figure
PLAIN_PARTS = ("encoder", "embed", "body", "linear", "conv")
QUIET = {"displayModeBar": False, "scrollZoom": False}


def draw(answer: Mapping[str, Any], config: RunConfig) -> None:
    """Draw the answer to `trainer.preflight.dry_run.question_of(config)`."""
    found = observations(answer)
    st.html(_facts(answer, config) + _sentences(found))
    left, right = st.columns(2, gap="medium")
    with left:
        _activations(answer)
    with right:
        _gradients(answer, config)
    if answer["gallery"]["items"]:
        st.html(samples_html(answer["gallery"]))
    st.html(_memory(answer))
    for notice in answer["notices"]:
        st.html(f'<p class="tp-notice">{escape_html(notice)}</p>')


def _facts(answer: Mapping[str, Any], config: RunConfig) -> str:
    facts = {
        "First loss": loss_text(answer["loss"]),
        "A guess has": loss_text(answer["baseline"]),
        "Gradient norm": short(answer["grad_norm"]),
        "Parameters": f"{answer['parameters']:,}",
        "First batch": f"{answer['batch']:,} of {answer['samples']:,} samples",
        "Learning rate": _rates(config),
        "Steps": f"{answer['steps_per_epoch']:,} an epoch, {answer['steps_per_epoch'] * config.epochs:,} in all",
    }
    pairs = "".join(
        f"<div><dt>{escape_html(name)}</dt><dd>{escape_html(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f'<dl class="tp-facts">{pairs}</dl>'


def _rates(config: RunConfig) -> str:
    """The schedule in a line; its curve stands dotted in the learning-rate chart."""
    plan = planned_rate(config).lr
    first, highest, last = plan[0], max(plan), plan[-1]
    if min(plan) == highest:
        return f"{first:.3g} throughout"
    top = f" → {highest:.3g}" if highest > max(first, last) else ""
    return f"{first:.3g}{top} → {last:.3g}"


def _sentences(found: Sequence[Observation]) -> str:
    rows = "".join(
        f'<li class="{"tp-good" if one.good else "tp-look"}"><b>{"Fine" if one.good else "Look"}</b> {escape_html(one.text)}</li>'
        for one in found
    )
    return f'<ul class="tp-findings">{rows}</ul>'


def _activations(answer: Mapping[str, Any]) -> None:
    layers = answer["activations"]
    first = [] if answer["input_std"] is None else [("input", answer["input_std"], "the batch itself")]
    rows = [*first, *((one["layer"], one["std"], _look_of(one)) for one in layers)]
    _heading(
        "Activation spread by depth",
        "A straight line inside the band is healthy; drifting left with depth: vanishing; right: exploding.",
    )
    figure = _figure(rows, "standard deviation of the activations", 0)
    figure.add_vrect(*HEALTHY_STD, fillcolor=_color(2), opacity=0.1, line_width=0, layer="below")
    figure.add_vline(1, line={"color": _color(2), "width": 1, "dash": "dot"})
    _show(figure, "before-activations", "Standard deviation of the activations after each layer: ", rows)
    columns = ("Layer", "Looked at after", "Mean", "Standard deviation", "Near zero")
    cells = [
        (one["layer"], one["seen_at"], short(one["mean"]), short(one["std"]), f"{100 * one['zero']:.0f} %")
        for one in layers
    ]
    st.html(_as_table(columns, cells))


def _look_of(one: Mapping[str, Any]) -> str:
    return f"after {one['seen_at']} · mean {short(one['mean'])} · {100 * one['zero']:.0f} % near zero"


def _gradients(answer: Mapping[str, Any], config: RunConfig) -> None:
    layers = answer["gradients"]
    rows = [(one["layer"], one["grad_norm"], f"{one['parameters']:,} parameters") for one in layers]
    _heading(
        "Gradient norm by layer",
        "Within a factor of ten or so is healthy; shrinking towards the input (up): vanishing; growing: exploding.",
    )
    figure = _figure(rows, "L2 norm of the gradient", 1)
    clip = config.clipping.knobs.get("max_norm")
    if clip is not None:
        figure.add_vline(clip, line={"color": _color(3), "dash": "dash"})
        figure.add_annotation(
            x=math.log10(clip), y=1, yref="paper", yanchor="bottom", text=f"clip at {clip:g} (all layers together)",
            showarrow=False, font={"size": 11},
        )  # fmt: skip
    _show(figure, "before-gradients", "L2 norm of the first gradient of each layer: ", rows)
    columns = ("Layer", "Kind", "Parameters", "Gradient norm", "Weight norm")
    cells = [
        (
            one["layer"],
            one["kind"],
            f"{one['parameters']:,}",
            short(one["grad_norm"]),
            short(one["weight_norm"]),
        )
        for one in layers
    ]
    st.html(_as_table(columns, cells))


def _figure(rows: Sequence[tuple[str, float, str]], title: str, color: int) -> go.Figure:
    """Layers from top to bottom as the batch meets them, their size to the right on a logarithmic axis. What has no place
    there, zero and infinity, stands at the edge as a cross with its value."""
    low, high = _range([value for _, value, _ in rows])
    edge = [_at(value, low, high) for _, value, _ in rows]
    odd = [not _drawable(value) for _, value, _ in rows]
    figure = go.Figure(
        go.Scatter(
            x=edge,
            y=list(range(len(rows))),
            mode="lines+markers+text",
            line={"color": _color(color), "width": 2.5},
            marker={"size": 9, "symbol": ["x" if one else "circle" for one in odd]},
            text=[short(value) if one else "" for one, (_, value, _) in zip(odd, rows, strict=True)],
            textposition="middle right",
            customdata=[(name, short(value), more) for name, value, more in rows],
            hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
            showlegend=False,
        )
    )
    figure.update_xaxes(
        dtick=math.ceil(math.log10(high / low) / MOST_TICKS),  # whole decades
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
    figure.update_layout(height=ROW * len(rows) + 105, margin={"l": 0, "r": 12, "t": 22, "b": 45})
    return figure


def _name(name: str) -> str:
    """A layer's name for the axis, without the parts that tell nothing; the tooltip and the table have the whole."""
    brief = ".".join(part for part in name.split(".") if part not in PLAIN_PARTS) or name
    if ".attention." in brief or ".feedforward." in brief:  # 0.attention.query says which block that is
        brief = brief.removeprefix("blocks.")
    return brief if len(brief) <= LONGEST_NAME else f"…{brief[-LONGEST_NAME + 1 :]}"


def _drawable(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The axis: all values that can be drawn, and at least from 0.1 to 10, so that a healthy line looks straight."""
    known = [value for value in values if _drawable(value)]
    return 0.5 * min([0.1, *known]), 2 * max([10.0, *known])


def _at(value: float, low: float, high: float) -> float:
    if _drawable(value):
        return value
    return 1.15 * low if value == 0 else 0.85 * high


def _color(place: int) -> str:
    return PALETTE["dark" if st.context.theme.type == "dark" else "light"][place]


def _heading(title: str, help: str) -> None:
    st.html(f'<h3 class="tp-figure">{escape_html(title)}</h3><p class="tp-quiet">{escape_html(help)}</p>')


def _show(figure: go.Figure, key: str, what: str, rows: Sequence[tuple[str, float, str]]) -> None:
    words = what + ", ".join(f"{name} {short(value)}" for name, value, _ in rows) + "."
    st.plotly_chart(figure, key=key, config=QUIET, alt=shorten(words, 2000))


def _as_table(columns: Sequence[str], rows: Sequence[Sequence[str]], summary: str = "As a table") -> str:
    return f'<details class="tp-details"><summary>{escape_html(summary)}</summary>{_table(columns, rows)}</details>'


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape_html(one)}</th>' for one in columns)
    body = "".join(
        f'<tr><th scope="row">{escape_html(first)}</th>'
        + "".join(f"<td>{escape_html(one)}</td>" for one in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f'<div class="tp-scroll"><table class="tp-knobs"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _memory(answer: Mapping[str, Any]) -> str:
    """Memory by precision, as a table, and what of it was measured."""
    memory = answer["memory"]
    rows = [
        (
            one["label"] + (" · chosen" if one["chosen"] else ""),
            f"{bytes_text(one['weights'])} ({one['bytes_weights']} B each)",
            f"{bytes_text(one['gradients'])} ({one['bytes_gradients']} B each)",
            f"{bytes_text(one['optimizer'])} ({memory['optimizer_bytes']:g} B each)",
            bytes_text(one["activations"]),
            bytes_text(sum(one[name] for name in ("weights", "gradients", "optimizer", "activations"))),
        )
        for one in memory["precisions"]
    ]
    columns = (
        "Precision",
        "Weights",
        "Gradients",
        "Optimizer state",
        f"Activations of {answer['batch']:,} samples",
        "Together",
    )
    measured = memory["measured"]
    return (
        f'<h3 class="tp-figure">Memory for {answer["parameters"]:,} parameters</h3>{_table(columns, rows)}'
        '<p class="tp-quiet">Weights and gradients by the rule of thumb for the number format, activations estimated from '
        "passes of two and four samples. Autocast, which 16-bit precision means here, keeps weights and gradients in float "
        f"32 beside 16-bit copies; measured in this run: weights {bytes_text(measured['weights'])}, gradients "
        f"{bytes_text(measured['gradients'])}, kept for the backward pass {bytes_text(measured['kept'])}.</p>"
    )
