"""The live figures of one run's health: a component like the live charts, fed over the same connection."""

from __future__ import annotations

import streamlit as st

from pages.widgets.live_chart import common, loader
from trainer.config import RunConfig

_component = st.components.v2.component("trainscope_health", js=loader(), isolate_styles=False)


def health_panel(run: int, label: str, config: RunConfig, token: str, *, key: str = "health-panel") -> None:
    """Draw the figures of a run. `token` must name it; `label` is anybody's text. Keep `key` the same on every rerun."""
    data = common(token) | {
        "module": "health",
        "run": run,
        "label": label,
        "pictures": pictures_of(config),
        "clip": config.clipping.knobs.get("max_norm"),
        "patience": config.early_stopping.knobs.get("patience"),
        "scaled": config.precision.name == "fp16",
    }
    _component(data=data, key=key)


def pictures_of(config: RunConfig) -> list[str]:
    """Names of the pictures that a run on this data takes (see trainer/health/pictures.py), as far as is known before."""
    facts = config.data_facts()
    if facts["task"] == "regression":
        return ["regression"]
    if facts["kind"] == "plane":
        return ["decision", "confusion"]
    return ["mistakes", "confusion"] if facts["kind"] == "image" else ["confusion"]
