"""What "Before step 1" shows: two figures, samples, and a table of memory, each with how to read it and as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pages.widgets.layer_chart import draw_layer_chart, layer_chart, theme_color
from pages.widgets.markup import facts_list, notice, quiet, table
from pages.widgets.samples import samples_html
from pages.widgets.text import escape_html
from trainer.config import RunConfig
from trainer.formatting import format_bytes
from trainer.preflight.findings import HEALTHY_STD, Observation, loss_text, observations, short
from trainer.preflight.plan import planned_rate


def draw(answer: Mapping[str, Any], config: RunConfig) -> None:
    """Draws the answer to `trainer.preflight.dry_run.question_of(config)`."""
    st.html(facts_list(_facts(answer, config)) + _observations(observations(answer)))
    left, right = st.columns(2, gap="medium")
    with left:
        _activations(answer)
    with right:
        _gradients(answer, config)
    if answer["gallery"]["items"]:
        st.html(samples_html(answer["gallery"]))
    st.html(_memory(answer))
    for sentence in answer["notices"]:
        st.html(notice(sentence))


def _facts(answer: Mapping[str, Any], config: RunConfig) -> dict[str, str]:
    guess = "random guessing" if answer["task"] == "classification" else "guessing the mean"
    return {
        "First loss": loss_text(answer["loss"]),
        f"Loss of {guess}": loss_text(answer["baseline"]),
        "Gradient norm": short(answer["grad_norm"]),
        "Parameters": f"{answer['parameters']:,}",
        "First batch": f"{answer['batch']:,} of {answer['samples']:,} samples",
        "Learning rate": _rates(config),
        "Steps": f"{answer['steps_per_epoch']:,} an epoch, {answer['steps_per_epoch'] * config.epochs:,} in all",
    }


def _rates(config: RunConfig) -> str:
    """Returns the schedule in a line; the learning-rate chart has its curve, dotted."""
    plan = planned_rate(config).lr
    first, highest, last = plan[0], max(plan), plan[-1]
    if min(plan) == highest:
        return f"{first:.3g} throughout"
    top = f" → {highest:.3g}" if highest > max(first, last) else ""
    return f"{first:.3g}{top} → {last:.3g}"


def _observations(found: Sequence[Observation]) -> str:
    rows = "".join(
        f'<li class="{"tp-good" if one.good else "tp-check"}"><b>{"Fine" if one.good else "Check"}</b> '
        f"{escape_html(one.text)}</li>"
        for one in found
    )
    return f'<ul class="tp-findings">{rows}</ul>'


def _activations(answer: Mapping[str, Any]) -> None:
    layers = answer["activations"]
    batch = [] if answer["input_std"] is None else [("input", answer["input_std"], "the batch itself")]
    rows = [*batch, *((one["layer"], one["std"], _details(one)) for one in layers)]
    _heading(
        "Activation spread by depth",
        "A straight line inside the band is healthy; a drift to the left with depth means vanishing, to the right exploding.",
    )
    figure = layer_chart(rows, "standard deviation of the activations", theme_color(0))
    figure.add_vrect(*HEALTHY_STD, fillcolor=theme_color(2), opacity=0.1, line_width=0, layer="below")
    figure.add_vline(1, line={"color": theme_color(2), "width": 1, "dash": "dot"})
    draw_layer_chart(
        figure, "before-activations", "Standard deviation of the activations after each layer: ", rows
    )
    columns = ("Layer", "Measured after", "Mean", "Standard deviation", "Near zero")
    cells = [
        (one["layer"], one["seen_at"], short(one["mean"]), short(one["std"]), f"{100 * one['zero']:.0f}%")
        for one in layers
    ]
    st.html(_folded(table(columns, cells)))


def _details(one: Mapping[str, Any]) -> str:
    return f"after {one['seen_at']} · mean {short(one['mean'])} · {100 * one['zero']:.0f}% near zero"


def _gradients(answer: Mapping[str, Any], config: RunConfig) -> None:
    layers = answer["gradients"]
    rows = [(one["layer"], one["grad_norm"], f"{one['parameters']:,} parameters") for one in layers]
    _heading(
        "Gradient norm by layer",
        "Within a factor of ten or so is healthy; shrinking toward the input (up): vanishing; growing: exploding.",
    )
    figure = layer_chart(rows, "L2 norm of the gradient", theme_color(1))
    clip = config.clipping.knobs.get("max_norm")
    if clip is not None:
        figure.add_vline(clip, line={"color": theme_color(3), "dash": "dash"})
        figure.add_annotation(
            x=math.log10(clip), y=1, yref="paper", yanchor="bottom", text=f"clip at {clip:g} (all layers together)",
            showarrow=False, font={"size": 11},
        )  # fmt: skip
    draw_layer_chart(figure, "before-gradients", "L2 norm of the first gradient of each layer: ", rows)
    columns = ("Layer", "Kind", "Parameters", "Gradient norm", "Weight norm")
    cells = [
        (
            one["layer"],
            one["kind"],
            f"{one['parameters']:,}",
            *map(short, (one["grad_norm"], one["weight_norm"])),
        )
        for one in layers
    ]
    st.html(_folded(table(columns, cells)))


def _heading(title: str, help: str) -> None:
    st.html(f'<h3 class="tp-figure">{escape_html(title)}</h3>{quiet(help)}')


def _folded(html: str) -> str:
    return f'<details class="tp-details"><summary>As a table</summary>{html}</details>'


def _memory(answer: Mapping[str, Any]) -> str:
    """Returns HTML: memory by precision, and what of it was measured."""
    memory = answer["memory"]
    rows = [
        (
            one["label"] + (" · chosen" if one["chosen"] else ""),
            f"{format_bytes(one['weights'])} ({one['bytes_weights']} B each)",
            f"{format_bytes(one['gradients'])} ({one['bytes_gradients']} B each)",
            f"{format_bytes(one['optimizer'])} ({memory['optimizer_bytes']:g} B each)",
            format_bytes(one["activations"]),
            format_bytes(sum(one[name] for name in ("weights", "gradients", "optimizer", "activations"))),
        )
        for one in memory["precisions"]
    ]
    columns = (
        "Precision",
        "Weights",
        "Gradients",
        "Optimizer state",
        f"Activations of {answer['batch']:,} samples",
        "Total",
    )
    measured = memory["measured"]
    return (
        f'<h3 class="tp-figure">Memory for {answer["parameters"]:,} parameters</h3>{table(columns, rows)}'
        '<p class="tp-quiet">Weights and gradients by the rule of thumb for the number format, activations estimated from '
        "passes of two and four samples. Autocast, which 16-bit precision means here, keeps weights and gradients in float "
        f"32 beside 16-bit copies; measured in this run: weights {format_bytes(measured['weights'])}, gradients "
        f"{format_bytes(measured['gradients'])}, kept for the backward pass {format_bytes(measured['kept'])}.</p>"
    )
