"""A technique's worked example: computed here, or by an inspection where it needs torch."""

from __future__ import annotations

import base64
import re
from itertools import groupby
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from pages.widgets.download import with_command
from pages.widgets.inspection import inspect
from pages.widgets.markup import image, quiet, table
from pages.widgets.page_context import PageContext
from pages.widgets.text import escape_html, escape_markdown
from trainer.curves.palette import PALETTE
from trainer.data import missing_files
from trainer.data.own import data_problem
from trainer.examples import Values, answer, makers, question_of
from trainer.lifecycle.states import JobState
from trainer.registry import Technique
from trainer.settings import get_settings


def worked_example(context: PageContext, item: Technique) -> None:
    """Draws the section. The example of an upload is of the one in the sidebar's configuration."""
    config = context.knobs.config
    st.html('<h2 class="tp-title">Worked example</h2>')
    uploaded = config is not None and "own" in item.facts and config.data.name == item.name
    question = question_of(item, config.data.knobs if config and uploaded else None)
    if missing := _missing(context, item, question["knobs"]):
        st.info(missing, icon=":material/deployed_code_alert:")
        return
    if not uploaded:
        _knob_values(item, question["knobs"])
    if not makers()[item.family].torch:
        draw(answer(question, get_settings()))
        return
    inspection = inspect(context.store, "example", question)
    if inspection.status is JobState.FINISHED:
        draw(inspection.answer)
    elif not inspection.is_over:
        st.skeleton(height=240)


def _missing(context: PageContext, item: Technique, knobs: dict[str, Any]) -> str:
    """Returns Markdown: what has to be installed, uploaded or downloaded before there can be an example."""
    needs, settings = item.facts.get("needs"), get_settings()
    if needs and (sentence := needs(settings.data, **knobs)):
        return with_command(sentence)
    if "own" in item.facts:
        refusal = context.store.data_refusal({"data": knobs}, context.space)
        return escape_markdown(refusal or data_problem(item.name, knobs))
    if item.family == "data" and missing_files(item.name, settings.data):
        return "Its first samples are shown here once it has been downloaded: choose it in the sidebar, on the Train page."
    return ""


def _knob_values(item: Technique, knobs: dict[str, Any]) -> None:
    """Draws the knobs of the example that are not at their defaults."""
    other = [
        f"{knob.label} {knobs[name]:g}" for name, knob in item.knobs.items() if knobs[name] != knob.default
    ]
    if other:
        st.html(quiet(f"Computed with {', '.join(other)}."))


def draw(example: Values) -> None:
    """Draws an answer: a sentence, and under it tables, plots and pictures."""
    st.markdown(escape_markdown(example["says"]))
    for kind, group in groupby(example["parts"], key=lambda part: part["kind"]):
        if kind == "table":  # side by side, where there is room
            st.html(f'<div class="tp-tables">{"".join(map(_table, group))}</div>')
            continue
        for part in group:
            st.html(f'<p class="tp-lead">{escape_html(part["caption"])}</p>')
            if kind == "pictures":
                st.html(_pictures(part))
            else:
                key = f"example-plot-{part['caption']}"
                st.plotly_chart(_figure(part), key=key, config={"displayModeBar": False})


def _figure(part: Values) -> go.Figure:
    marks = "markers" if part.get("points") else "lines"
    figure = go.Figure(
        [
            go.Scatter(
                x=np.array(line["x"]),
                y=np.array(line["y"]),
                name=line["name"],
                mode=marks,
                line={"width": 2.5, "color": PALETTE["light"][number % len(PALETTE["light"])]},
                marker={"size": 5, "color": PALETTE["light"][number % len(PALETTE["light"])]},
            )
            for number, line in enumerate(part["lines"])
        ]
    )
    figure.update_xaxes(title=part["x"])
    figure.update_yaxes(title=part["y"], type="log" if part.get("log") else "linear", exponentformat="power")
    if part.get("points"):
        figure.update_yaxes(scaleanchor="x")  # a circle is to be a circle
    figure.update_layout(
        height=420 if part.get("points") else 300,
        margin={"l": 55, "r": 10, "t": 10, "b": 45},
        showlegend=len(part["lines"]) > 1,
        legend={"orientation": "h", "y": 1.12},
    )
    return figure


def _table(part: Values) -> str:
    rows = [[_cell(value) for value in row] for row in part["rows"]]
    return table(part["columns"], rows, part["caption"])


def _cell(value: Any) -> str:
    """Returns numbers with four digits and a true minus sign; text as it is."""
    if value is None:
        return "–"
    if not isinstance(value, int | float):
        return str(value)
    whole = float(value).is_integer() and abs(value) < 1e9
    text = f"{value:,.0f}" if whole else re.sub(r"e([-+])0+", r"e\1", f"{value:.4g}")
    return text.replace("-", "−")


def _pictures(part: Values) -> str:
    figures = "".join(
        f"<figure>{image(_pixels(item), item['label'])}<figcaption>{escape_html(item['label'])}</figcaption></figure>"
        for item in part["items"]
    )
    return f'<div class="tp-pictures">{figures}</div>'


def _pixels(item: Values) -> NDArray[np.uint8]:
    return np.frombuffer(base64.b64decode(item["pixels"]), np.uint8).reshape(item["shape"])
