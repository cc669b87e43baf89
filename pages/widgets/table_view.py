"""An uploaded table: what its columns hold, what to predict, and what will be done to each column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pages.widgets.bar_chart import class_bars, draw_bars, histogram, value_bars
from pages.widgets.controls import show_problem
from pages.widgets.page_context import PageContext
from pages.widgets.text import escape_html, shorten
from pages.widgets.use_data import initial_values, upload_notice, use_button
from trainer.data.choosing import can_be_target, suggested_task, suggested_values
from trainer.data.columns import EPOCH, Column, columns_of
from trainer.data.encoding import describe_encoding
from trainer.data.own import data_problem
from trainer.data.targets import format_numbers, parse_numbers
from trainer.lazy import lazy
from trainer.store import Upload

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

TASKS = {"classification": "Classification", "regression": "Regression"}
KINDS = {
    "number": "numbers",
    "date": "dates",
    "category": "categories",
    "text": "free text",
    "empty": "nothing",
}
MAX_CLASSES = 30  # in the chart


def table_view(context: PageContext, upload: Upload, manifest: Mapping[str, Any]) -> None:
    """Draws the choices, the target's chart, the columns and the first rows."""
    columns = columns_of(manifest)
    upload_notice(upload, manifest)
    left, right = st.columns([2, 3], gap="large")
    with left:
        values = _choices(context, upload, manifest, columns)
        problem = data_problem("csv", {key.removeprefix("data."): value for key, value in values.items()})
        if problem:
            show_problem(problem)
        use_button(context, values, problem)
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
    """Draws the choices of target, task and columns to leave out; returns them as flat values."""
    names = [column.name for column in columns]
    possible = [column.name for column in columns if can_be_target(column)] or names
    keys = {name: f"data-{name}-{upload.digest[:12]}" for name in ("target", "task", "out")}
    start = initial_values(context, "csv", upload, manifest)
    if start["data.target"] not in names:
        start = suggested_values(upload.digest, manifest)
    _initialize(keys, start, names, possible)
    target = st.selectbox(
        "Predict",
        possible,
        key=keys["target"],
        on_change=_target_changed,
        args=(keys, columns),
        help="The column that the network learns to predict from the others.",
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


def _initialize(
    keys: Mapping[str, str], start: Mapping[str, Any], names: Sequence[str], possible: Sequence[str]
) -> None:
    """Sets the choices to their first values, unless the visitor has made them already."""
    left_out = [
        names[number - 1] for number in sorted(parse_numbers(start["data.leave_out"])) if number <= len(names)
    ]
    st.session_state.setdefault(keys["target"], start["data.target"])
    st.session_state.setdefault(keys["task"], start["data.task"])
    st.session_state.setdefault(keys["out"], left_out)
    if st.session_state[keys["target"]] not in possible:
        st.session_state[keys["target"]] = possible[-1]


def _target_changed(keys: Mapping[str, str], columns: Sequence[Column]) -> None:
    """Suggests the task for the new target, and no longer leaves it out."""
    target = st.session_state[keys["target"]]
    column = next(column for column in columns if column.name == target)
    st.session_state[keys["task"]] = suggested_task(column)
    st.session_state[keys["out"]] = [name for name in st.session_state[keys["out"]] if name != target]


def _chart(target: Column, task: str) -> None:
    """Draws the distribution of the target: a bar for each class or value, or a histogram."""
    title = "rows by value"
    if target.levels and (task == "classification" or target.kind == "category"):
        order = np.argsort(target.counts, kind="stable")[::-1][:MAX_CLASSES]
        names, counts = [target.levels[place] for place in order], [target.counts[place] for place in order]
        figure = class_bars(names, counts, "rows")
        title = f"rows of each of {target.distinct:,} classes"
        if target.distinct > MAX_CLASSES:
            title = f"rows of the {MAX_CLASSES} most frequent of {target.distinct:,} classes"
    elif target.levels:
        values = np.array([float(level) for level in target.levels])
        figure = value_bars(values, target.counts, "rows", target.name)
    elif target.counts:
        figure = histogram(_bin_centers(target), target.counts, "rows", target.name)
    else:
        return
    draw_bars(figure, f"{shorten(target.name, 40)}: {title}", key="data-target-chart")


def _bin_centers(column: Column) -> NDArray[Any]:
    """Returns the middle of each bin: numbers, or moments for a column of dates."""
    edges = np.linspace(column.low, column.high, len(column.counts) + 1)
    centers = (edges[:-1] + edges[1:]) / 2
    if column.kind == "date":
        return np.datetime64(EPOCH) + (centers * 86400).astype("timedelta64[s]")
    return centers


def _column_table(columns: Sequence[Column], target: Column, left_out: set[int], rows: int) -> str:
    """Returns HTML: a row for each column. Names are other people's text."""
    body = "".join(
        f"<tr><td>{number}</td><th scope='row'>{escape_html(column.name)}</th><td>{KINDS[column.kind]}"
        f"{f' ({escape_html(column.note)})' if column.note else ''}</td>"
        f"<td>{_share(column.missing, rows)}</td><td>{column.distinct:,}</td>"
        f"<td>{escape_html(_treatment(column, target, number in left_out))}</td></tr>"
        for number, column in enumerate(columns, 1)
    )
    return (
        '<div class="tp-scroll" tabindex="0" role="region" aria-label="Columns"><table class="tp-knobs tp-columns"><thead><tr>'
        '<th scope="col">#</th><th scope="col">Column</th><th scope="col">Read as</th><th scope="col">Missing</th>'
        f'<th scope="col">Distinct</th><th scope="col">What will be done</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def _share(missing: int, rows: int) -> str:
    return "–" if not missing else f"{missing:,} ({100 * missing / rows:.1f}%)"


def _treatment(column: Column, target: Column, left_out: bool) -> str:
    if column.name == target.name:
        without = f" {column.missing:,} rows without a value are left out." if column.missing else ""
        return f"This is what is predicted.{without}"
    if left_out:
        return "Left out: it looks like an identifier." if column.identifier else "Left out, as you chose."
    return describe_encoding(column)
