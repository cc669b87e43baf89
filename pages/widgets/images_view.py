"""Uploaded images: how many there are of each class, samples of them, and the size to train at."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from pages.widgets.controls import problem as show_problem
from pages.widgets.live_chart import PALETTE
from pages.widgets.page_context import PageContext
from pages.widgets.take_data import use_button
from pages.widgets.text import escape_html, shorten
from trainer.data import DataError
from trainer.data.choosing import suggested_values
from trainer.data.uploads import load_array
from trainer.registry import find
from trainer.store import Upload

SAMPLES = 8  # of each class
SHOWN = 24  # classes
BAR = PALETTE["light"][0]


def images_view(context: PageContext, upload: Upload, manifest: Mapping[str, Any]) -> None:
    """Draw the choices, the classes' chart and samples."""
    st.html(f'<p class="tp-notice">{escape_html(" ".join(manifest["said"]))}</p>')
    left, right = st.columns([2, 3], gap="large")
    with left:
        values = _choices(context, upload, manifest)
        use_button(context, values, upload.name)
        st.html(
            '<p class="tp-quiet">Each image is cut to its middle square and scaled. A convolutional model suits images: choose '
            "it under Model in the sidebar.</p>"
        )
    with right:
        _chart(manifest)
    st.html('<h2 class="tp-title">Samples of each class</h2>')
    try:
        st.html(_grid(upload.digest, manifest))
    except DataError as error:
        show_problem(str(error))


def _choices(context: PageContext, upload: Upload, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Size and colour, as flat values."""
    knobs = find("data", "image_folder").knobs
    start = suggested_values(upload.digest, manifest)
    config = context.knobs.config
    if (
        config is not None
        and config.data.knobs.get("file") == upload.digest
        and config.data.name == "image_folder"
    ):
        start = config.flat()
    short = upload.digest[:12]
    side_key, color_key = f"data-side-{short}", f"data-color-{short}"
    st.session_state.setdefault(side_key, start["data.side"])
    st.session_state.setdefault(color_key, start.get("data.color", "auto"))
    side = st.select_slider(
        f"{knobs['side'].label} · {knobs['side'].unit}",
        sorted({*range(8, 65, 4), start["data.side"]}),
        key=side_key,
        help="Larger shows more and trains slower.",
    )
    color = st.segmented_control(
        knobs["color"].label,
        list(knobs["color"].choices),
        format_func=lambda choice: knobs["color"].labels[choice],
        key=color_key,
        required=True,
        help=knobs["color"].help,
    )
    return {"data": "image_folder", "data.file": upload.digest, "data.side": side, "data.color": color}


def _chart(manifest: Mapping[str, Any]) -> None:
    names = [escape_html(shorten(name, 24)) for name in manifest["classes"]]
    figure = go.Figure(
        go.Bar(
            x=list(range(len(names))),
            y=np.array(manifest["counts"]),
            marker_color=BAR,
            hovertemplate="%{y} images<extra></extra>",
        )
    )
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=names)
    figure.update_yaxes(title="images")
    figure.update_layout(
        height=300,
        margin={"l": 50, "r": 10, "t": 34, "b": 40},
        title={"text": "images of each class to train on", "font": {"size": 14}},
    )
    st.plotly_chart(figure, key="data-class-chart", config={"displayModeBar": False})


def _grid(digest: str, manifest: Mapping[str, Any]) -> str:
    """HTML: a strip of samples for each class. Names are other people's text."""
    counts = manifest["counts"]
    shape = (manifest["images"], manifest["channels"], manifest["side"], manifest["side"])
    starts = [sum(counts[:place]) for place in range(len(counts))]
    figures = "".join(
        f'<figure><img alt="{min(count, SAMPLES)} samples of {escape_html(name)}" '
        f'src="data:image/png;base64,{_strip(digest, shape, start, min(count, SAMPLES))}">'
        f"<figcaption>{escape_html(name)} <span>{count:,}</span></figcaption></figure>"
        for name, count, start in list(zip(manifest["classes"], counts, starts, strict=True))[:SHOWN]
    )
    more = len(counts) - SHOWN
    rest = f'<p class="tp-quiet">And {more} more classes.</p>' if more > 0 else ""
    return f'<div class="tp-samples">{figures}</div>{rest}'


@lru_cache(maxsize=512)
def _strip(digest: str, shape: tuple[int, ...], start: int, count: int) -> str:
    """A PNG of `count` images side by side, as base64."""
    images = load_array(digest, "images", shape, mapped=True)[start : start + count]
    strip = np.concatenate(list(images), axis=2).transpose(1, 2, 0)
    picture = Image.fromarray(np.ascontiguousarray(strip[:, :, 0] if strip.shape[2] == 1 else strip))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()
