"""A curve that the visitor expects, drawn with mouse, finger or pen, or chosen among shapes with the keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from trainer.lessons.questions import POINTS

FOLDER = Path(__file__).parent


_component = st.components.v2.component(
    "trainscope_sketch",
    js=(FOLDER / "sketch.js").read_text("utf-8"),
    css=(FOLDER / "sketch.css").read_text("utf-8"),
)


def sketch(
    key: str,
    title: str,
    epochs: int,
    ends: tuple[float, float],
    drawn: list[float] | None,
    *,
    locked: bool,
    label: str,
) -> list[float] | None:
    """Draws axes from epoch 1 to `epochs` and between the `ends` of a quantity called `title`, with the curve `drawn` so far.
    Returns the values that the visitor has just drawn, at `POINTS` places at even distances; None where there are none."""
    low, high = ends
    data: dict[str, Any] = {
        "title": title,
        "label": label,
        "epochs": epochs,
        "low": low,
        "high": high,
        "points": POINTS,
        "drawn": drawn,
        "locked": locked,
    }
    found = _component(data=[data], key=key, on_drawn_change=lambda: None)
    values: list[float] | None = found.drawn
    return values
