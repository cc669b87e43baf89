"""Uploaded images: how many there are of each class, samples of them, and the size to train at."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st

from pages.widgets.bar_chart import class_bars, draw_bars
from pages.widgets.controls import show_problem
from pages.widgets.markup import image
from pages.widgets.page_context import PageContext
from pages.widgets.text import escape_html
from pages.widgets.use_data import initial_values, upload_notice, use_button
from trainer.data import DataError
from trainer.data.uploads import load_array
from trainer.registry import find
from trainer.store import Upload

SAMPLES = 8  # of each class
MAX_CLASSES = 24


def images_view(context: PageContext, upload: Upload, manifest: Mapping[str, Any]) -> None:
    """Draws the choices, the classes' chart and samples."""
    upload_notice(upload, manifest)
    left, right = st.columns([2, 3], gap="large")
    with left:
        use_button(context, _choices(context, upload, manifest))
        st.html(
            '<p class="tp-quiet">Each image is cut to its middle square and scaled. A convolutional model suits images: choose '
            "it under Model in the sidebar.</p>"
        )
    with right:
        figure = class_bars(manifest["classes"], manifest["counts"], "images")
        draw_bars(figure, "images of each class to train on", key="data-class-chart")
    st.html('<h2 class="tp-title">Samples of each class</h2>')
    try:
        st.html(_samples(upload.digest, manifest))
    except DataError as error:
        show_problem(str(error))


def _choices(context: PageContext, upload: Upload, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Draws the choices of size and color; returns them as flat values."""
    knobs = find("data", "image_folder").knobs
    start = initial_values(context, "image_folder", upload, manifest)
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


def _samples(digest: str, manifest: Mapping[str, Any]) -> str:
    """Returns HTML: a strip of samples for each class. Names are other people's text."""
    counts = manifest["counts"]
    shape = (manifest["images"], manifest["channels"], manifest["side"], manifest["side"])
    starts = [sum(counts[:place]) for place in range(len(counts))]
    classes = list(zip(manifest["classes"], counts, starts, strict=True))[:MAX_CLASSES]
    figures = "".join(
        f"<figure>{_strip(digest, shape, start, min(count, SAMPLES), name)}"
        f"<figcaption>{escape_html(name)} <span>{count:,}</span></figcaption></figure>"
        for name, count, start in classes
    )
    more = len(counts) - MAX_CLASSES
    noun = "class" if more == 1 else "classes"
    rest = f'<p class="tp-quiet">And {more} more {noun}.</p>' if more > 0 else ""
    return f'<div class="tp-strips">{figures}</div>{rest}'


@lru_cache(maxsize=512)
def _strip(digest: str, shape: tuple[int, ...], start: int, count: int, name: str) -> str:
    """Returns HTML of `count` images [channels, height, width] side by side."""
    images = load_array(digest, "images", shape, mapped=True)[start : start + count]
    return image(np.concatenate(list(images), axis=2).transpose(1, 2, 0), f"{count} samples of {name}")
