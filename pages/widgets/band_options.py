"""How many runs are drawn as one: the kind of band, and whether the axis is logarithmic."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from trainer.comparison.bands import BandKind
from trainer.comparison.figure import BANDS


def band_options(prefix: str, kinds: Sequence[BandKind] = tuple(BANDS)) -> tuple[BandKind, bool]:
    """Draws the two in a row, the kinds of band only where there are any, and returns what is chosen."""
    kind: BandKind | None = None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if kinds:
            kind = st.segmented_control(
                "Band",
                kinds,
                default="mean",
                required=True,
                format_func=BANDS.__getitem__,
                key=f"{prefix}-band",
                label_visibility="collapsed",
            )
        log = st.toggle("Logarithmic", key=f"{prefix}-log")
    return kind or "mean", log
