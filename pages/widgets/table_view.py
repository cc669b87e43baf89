"""An uploaded table: what its columns hold, what to predict, and what will be done to each column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.widgets.controls import problem as show_problem
from pages.widgets.live_chart import PALETTE
from pages.widgets.page_context import PageContext
from pages.widgets.take_data import use_button
from pages.widgets.text import escape_html, shorten
from trainer.data.choosing import can_be_target, suggested_task, suggested_values
from trainer.data.columns import Column, columns_of
from trainer.data.encoding import describe_encoding
from trainer.data.own import data_problem
from trainer.data.targets import format_numbers, parse_numbers
from trainer.store import Upload

TASKS = {"classification": "Classification", "regression": "Regression"}
KINDS = {
    "number": "numbers",
    "date": "dates",
    "category": "categories",
    "text": "free text",
    "empty": "nothing",
}
SHOWN = 30  # classes in the chart
BAR = PALETTE["light"][0]


def table_view(context: PageContext, upload: Upload, manifest: Mapping[str, Any]) -> None:
    """Draw the choices, the target's chart, the columns and the first rows."""
    columns = columns_of(manifest)
    st.html(f'<p class="tp-notice">{escape_html(" ".join(manifest["said"]))}</p>')
    left, right = st.columns([2, 3], gap="large")
    with left:
        values = _choices(context, upload, manifest, columns)
        problem = data_problem("csv", {key.removeprefix("data."): value for key, value in values.items()})
        if problem:
            show_problem(problem)
        use_button(context, values, upload.name, problem)
    target = next(column for column in columns if column.name == values["data.target"])
    with right:
        _chart(target, values["data.task"])
    st.html('<h2 class="tp-title">Columns, and what will be done to them</h2>')
    st.html(_column_table(columns, target, parse_numbers(values["data.leave_out"]), manifest["rows"]))
    st.html('<h2 class="tp-title">First rows</h2>')
    st.dataframe(
        pd.DataFrame(manifest["preview"], columns=[column.name for column in columns]),
        height=min(390, 38 + 35 * len(manifest["preview"])),
        key="data-preview",
    )


def _choices(
    context: PageContext, upload: Upload, manifest: Mapping[str, Any], columns: Sequence[Column]
) -> dict[str, Any]:
    """Target, task and columns to leave out, as flat values; guessed at first, or as the sidebar has them."""
    short = upload.digest[:12]
    keys = {name: f"data-{name}-{short}" for name in ("target", "task", "out")}
    names = [column.name for column in columns]
    start = _first_values(context, upload, manifest, names)
    possible = [column.name for column in columns if can_be_target(column)] or names
    for key, value in (
        ("target", start["data.target"]),
        ("task", start["data.task"]),
        ("out", _names(names, start["data.leave_out"])),
    ):
        st.session_state.setdefault(keys[key], value)
    if st.session_state[keys["target"]] not in possible:
        st.session_state[keys["target"]] = possible[-1]
    target = st.selectbox(
        "Predict",
        possible,
        key=keys["target"],
        on_change=_retarget,
        args=(keys, columns),
        help="The column that the network learns to tell from the others.",
        filter_mode=None,
    )
    task = st.segmented_control(
        "As",
        list(TASKS),
        format_func=lambda task: TASKS[task],
        key=keys["task"],
        required=True,
        help="Classification predicts which value, regression how much.",
    )
    out = st.multiselect(
        "Leave out",
        [name for name in names if name != target],
        key=keys["out"],
        placeholder="Nothing",
        help="Columns that the network must not see: identifiers, or what is only known once the target is.",
    )
    left_out = {names.index(name) + 1 for name in out}
    return {
        "data": "csv",
        "data.file": upload.digest,
        "data.target": target,
        "data.task": task,
        "data.leave_out": format_numbers(left_out),
    }


def _first_values(
    context: PageContext, upload: Upload, manifest: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any]:
    """The sidebar's choices where it has this file already, else guesses."""
    config = context.knobs.config
    if config is not None and config.data.name == "csv" and config.data.knobs["file"] == upload.digest:
        flat = config.flat()
        if flat["data.target"] in names:
            return flat
    return suggested_values(upload.digest, manifest)


def _names(names: Sequence[str], numbers: str) -> list[str]:
    return [names[number - 1] for number in sorted(parse_numbers(numbers)) if number <= len(names)]


def _retarget(keys: Mapping[str, str], columns: Sequence[Column]) -> None:
    """Another target: its task is guessed anew, and it is not left out."""
    target = st.session_state[keys["target"]]
    column = next(column for column in columns if column.name == target)
    st.session_state[keys["task"]] = suggested_task(column)
    st.session_state[keys["out"]] = [name for name in st.session_state[keys["out"]] if name != target]


def _chart(target: Column, task: str) -> None:
    """How the target's values are spread: a bar for each class, or a histogram."""
    if target.levels and (task == "classification" or target.kind == "category"):
        order = np.argsort(target.counts, kind="stable")[::-1][:SHOWN]
        names = [escape_html(shorten(target.levels[place], 24)) for place in order]
        counts = [target.counts[place] for place in order]
        figure = go.Figure(
            go.Bar(
                x=list(range(len(names))),
                y=np.array(counts),
                marker_color=BAR,
                hovertemplate="%{y} rows<extra></extra>",
            )
        )
        figure.update_xaxes(tickvals=list(range(len(names))), ticktext=names, title=None)
        title = f"rows of each of {target.distinct:,} classes"
        if target.distinct > SHOWN:
            title = f"rows of the {SHOWN} most frequent of {target.distinct:,} classes"
    elif target.counts and not target.levels:
        edges = np.linspace(target.low, target.high, len(target.counts) + 1)
        middles = (edges[:-1] + edges[1:]) / 2
        if target.kind == "date":
            middles = np.datetime64("2000-01-01") + (middles * 86400).astype("timedelta64[s]")
        figure = go.Figure(
            go.Bar(
                x=middles,
                y=np.array(target.counts),
                marker_color=BAR,
                hovertemplate="%{y} rows near %{x}<extra></extra>",
            )
        )
        figure.update_layout(bargap=0.04)
        figure.update_xaxes(title=escape_html(shorten(target.name, 40)))
        title = "rows by value"
    elif target.levels:
        places = np.array([float(level) for level in target.levels])
        figure = go.Figure(
            go.Bar(
                x=places,
                y=np.array(target.counts),
                marker_color=BAR,
                hovertemplate="%{y} rows<extra></extra>",
            )
        )
        figure.update_xaxes(title=escape_html(shorten(target.name, 40)))
        title = "rows by value"
    else:
        return
    figure.update_yaxes(title="rows")
    figure.update_layout(
        height=300,
        margin={"l": 50, "r": 10, "t": 34, "b": 40},
        title={"text": f"{escape_html(shorten(target.name, 40))}: {title}", "font": {"size": 14}},
    )
    st.plotly_chart(figure, key="data-target-chart", config={"displayModeBar": False})


def _column_table(columns: Sequence[Column], target: Column, left_out: set[int], rows: int) -> str:
    """HTML: a row for each column. Names are other people's text."""
    body = "".join(
        f"<tr><td>{number}</td><th scope='row'>{escape_html(column.name)}</th><td>{KINDS[column.kind]}"
        f"{f' ({escape_html(column.note)})' if column.note else ''}</td>"
        f"<td>{_share(column.missing, rows)}</td><td>{column.distinct:,}</td>"
        f"<td>{escape_html(_fate(column, target, number in left_out))}</td></tr>"
        for number, column in enumerate(columns, 1)
    )
    return (
        '<div class="tp-scroll" tabindex="0" role="region" aria-label="Columns"><table class="tp-knobs tp-columns"><thead><tr>'
        '<th scope="col">#</th><th scope="col">Column</th><th scope="col">Read as</th><th scope="col">Missing</th>'
        f'<th scope="col">Distinct</th><th scope="col">What will be done</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def _share(missing: int, rows: int) -> str:
    return "–" if not missing else f"{missing:,} ({100 * missing / rows:.1f} %)"


def _fate(column: Column, target: Column, left_out: bool) -> str:
    if column.name == target.name:
        lost = f" {column.missing:,} rows without a value are left out." if column.missing else ""
        return f"This is what is predicted.{lost}"
    if left_out:
        return "Left out: it looks like an identifier." if column.identifier else "Left out, as you chose."
    return describe_encoding(column)
