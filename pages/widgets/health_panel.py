"""The live figures of one run's health: a component like the live charts, fed over the same connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import plotly.colors
import streamlit as st

from pages.widgets.live_chart import Boundary, loader, shared_data
from trainer.config import RunConfig

SCALES: Final = {
    "sequential": plotly.colors.sequential.Viridis,
    "diverging": ["#b35806", "#f1a340", "#f7f7f7", "#998ec3", "#542788"],
    "counts": {"light": ["#f4f6f8", "#6baed6", "#08306b"], "dark": ["#1b2230", "#2a6f97", "#a9e5bb"]},
}
"""Colors from low to high: for sizes, for what is above and below zero (ColorBrewer's PuOr), and for counts, which begin at the
background's own color."""

_component = st.components.v2.component("trainscope_health", js=loader(), isolate_styles=False)


def health_panel(
    run: int,
    label: str,
    config: RunConfig,
    clips: Sequence[float],
    token: str,
    *,
    key: str = "health-panel",
) -> None:
    """Draws the figures of a run. `token` must name it; `label` is anybody's text; `clips` are the gradient norms at which it
    has clipped, in their order. Keep `key` the same on every rerun."""
    data = shared_data("health/health_panel", token) | {
        "scales": SCALES,
        "run": run,
        "label": label,
        "pictures": pictures_of(config),
        "clips": list(clips),
        "patience": config.early_stopping.knobs.get("patience"),
        "scaled": bool(config.technique("precision").facts.get("scales_loss")),
    }
    _component(data=[data], key=key)


def pictures_of(config: RunConfig) -> list[str]:
    """Returns the names of the pictures that a run on this data takes (see trainer/health/pictures.py), as far as is known
    before."""
    facts = config.data_facts()
    if facts["task"] == "regression":
        return ["regression"]
    if facts["kind"] == "plane":
        return ["decision", "confusion"]
    return ["mistakes", "confusion"] if facts["kind"] == "image" else ["confusion"]


def boundary_of(config: RunConfig | None) -> Boundary | None:
    """Returns whether a run takes pictures of its decision boundary: "sure" in the plane, "perhaps" for a person's own table,
    whose columns are counted only in training."""
    if config is None or not config.health:
        return None
    if "decision" in pictures_of(config):
        return "sure"
    facts = config.data_facts()
    own_classes = facts.get("own") == "table" and facts["task"] == "classification"
    return "perhaps" if own_classes else None
