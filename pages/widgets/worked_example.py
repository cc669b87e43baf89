"""A technique's worked example: asked for, waited for, and drawn.

What needs torch is computed by a process of the supervisor's and read from the store; the rest right here.
"""

from __future__ import annotations

import base64
import io
import logging
import re
from itertools import groupby
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from PIL import Image
from sqlalchemy.exc import DBAPIError

from pages.widgets.download import command_box
from pages.widgets.live_chart import PALETTE
from pages.widgets.text import escape_html, escape_markdown
from trainer.config import RunConfig
from trainer.data import missing_files
from trainer.data.own import data_problem
from trainer.examples import Values, answer, makers, question_of
from trainer.lifecycle.states import JobState
from trainer.registry import Technique
from trainer.settings import get_settings
from trainer.store import Inspection, Store, StoreError

LOG = logging.getLogger(__name__)
INTERVAL = 0.2  # seconds between two looks for the answer
_ASKED = "reference:asked"


def worked_example(store: Store, item: Technique, config: RunConfig | None) -> None:
    """Draw the section. A person's own data set is the one that `config`, the sidebar's configuration, names."""
    st.html('<h2 class="tp-title">Worked example</h2>')
    mine = config is not None and "own" in item.facts and config.data.name == item.name
    question = question_of(item, config.data.knobs if config and mine else None)
    if missing := _missing(item, question["knobs"]):
        st.info(missing, icon=":material/deployed_code_alert:")
        return
    if not mine:
        _at(item, question["knobs"])
    if not makers()[item.family].torch:
        draw(answer(question, get_settings()))
        return
    asked = _ask(store, question)
    st.fragment(_look, run_every=None if asked.is_over else INTERVAL)(store, asked)


def _missing(item: Technique, knobs: dict[str, Any]) -> str:
    """Markdown: what has to be installed, added or downloaded before there can be an example."""
    needs, settings = item.facts.get("needs"), get_settings()
    if needs and (sentence := needs(settings.data, **knobs)):
        return command_box(sentence)
    if "own" in item.facts:
        return escape_markdown(data_problem(item.name, knobs))
    if item.family == "data" and missing_files(item.name, settings.data):
        return "Its first samples are shown here once it has been downloaded: choose it in the sidebar, on the Train page."
    return ""


def _at(item: Technique, knobs: dict[str, Any]) -> None:
    """Which values the example has where they are not the defaults."""
    other = [
        f"{knob.label} {knobs[name]:g}" for name, knob in item.knobs.items() if knobs[name] != knob.default
    ]
    if other:
        st.html(f'<p class="tp-quiet">Computed with {escape_html(", ".join(other))}.</p>')


def _ask(store: Store, question: Values) -> Inspection:
    """The row of this question. One that failed is asked again only when a person comes back to it."""
    last, last_id = st.session_state.get(_ASKED, (None, None))
    if last == question:
        try:
            return store.inspection(last_id)
        except StoreError:  # it has made room for others
            pass
    asked = store.ask("example", question)
    st.session_state[_ASKED] = (question, asked.id)
    return asked


def _look(store: Store, asked: Inspection) -> None:
    """One look for the answer; once it is there, the page is drawn anew and the looking ends."""
    if asked.status is JobState.FINISHED:
        draw(asked.answer)
        return
    if asked.status is JobState.FAILED:
        st.error(escape_markdown(asked.message), icon=":material/error:")
        st.button(
            "Try again",
            key="example-again",
            icon=":material/refresh:",
            on_click=st.session_state.pop,
            args=(_ASKED, None),
        )
        return
    try:
        over = store.inspection(asked.id).is_over
        words = "Computing…" if store.supervisor_status() == "ready" else "Warming up the trainer…"
    except StoreError:
        over, words = True, ""
    except DBAPIError as error:
        LOG.warning("Could not look for an answer: %s", error)
        over, words = False, "The database does not answer just now; trying again…"
    if over:
        st.rerun(scope="app")
    st.html(f'<p class="tp-waiting" role="status"><i></i>{escape_html(words)}</p>')
    st.skeleton(height=240)


def draw(found: Values) -> None:
    """A sentence, and under it tables, plots and pictures."""
    st.markdown(escape_markdown(found["says"]))
    for kind, group in groupby(found["parts"], key=lambda part: part["kind"]):
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
    head = "".join(f'<th scope="col">{escape_html(name)}</th>' for name in part["columns"])
    rows = "".join(
        f'<tr><th scope="row">{_cell(row[0])}</th>{"".join(f"<td>{_cell(value)}</td>" for value in row[1:])}</tr>'
        for row in part["rows"]
    )
    return (
        f'<div class="tp-scroll"><table class="tp-knobs tp-numbers"><caption>{escape_html(part["caption"])}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    """Numbers to four digits, with a true minus sign."""
    if value is None:
        return "–"
    if not isinstance(value, int | float):
        return escape_html(value)
    whole = float(value).is_integer() and abs(value) < 1e9
    text = f"{value:,.0f}" if whole else re.sub(r"e([-+])0+", r"e\1", f"{value:.4g}")
    return text.replace("-", "−")


def _pictures(part: Values) -> str:
    figures = "".join(
        f'<figure><img src="data:image/png;base64,{_png(item)}" alt="{escape_html(item["label"])}">'
        f"<figcaption>{escape_html(item['label'])}</figcaption></figure>"
        for item in part["items"]
    )
    return f'<div class="tp-pictures">{figures}</div>'


def _png(item: Values) -> str:
    height, width, channels = item["shape"]
    pixels = np.frombuffer(base64.b64decode(item["pixels"]), np.uint8).reshape(height, width, channels)
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()
