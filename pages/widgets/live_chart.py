"""The live charts on a page: one Components-v2 component, mounted once, fed over the WebSocket of `pages.live.routes`.

The scripts are served as files (`pages/widgets/charts`), so that a rerun sends only the few lines that load them, and
the browser keeps them; the data of a rerun are labels, colours and a token, never curves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import plotly
import streamlit as st
from streamlit import config

from pages.server.assets import assets_version

PALETTE: Final[dict[str, list[str]]] = {
    "light": ["#0072B2", "#D55E00", "#009E73", "#B8588F", "#C98500", "#3D97CC", "#8C6D00", "#6B6B6B"],
    "dark": ["#4DA3DB", "#F0803C", "#2FC39A", "#E39AC3", "#F2B632", "#8CCBF2", "#E5D84B", "#B0B0B0"],
}
"""Okabe and Ito's colours for colour-blind eyes, darkened or lightened where one would be lost on the background.
A run keeps its place in the list, whatever the theme."""


@dataclass(frozen=True)
class ShownRun:
    """One run on the axes. `label` is anybody's text and is shown as text; `color` is a place in `PALETTE`."""

    id: int
    label: str
    color: int = 0
    visible: bool = True
    clip: float | None = None
    """The gradient norm at which the run clips, drawn as a line; None when it does not clip by norm."""


@dataclass(frozen=True)
class Metric:
    """What the fourth chart shows: its title, and whether numbers are shares to be written as percent."""

    label: str = "Accuracy"
    percent: bool = True


@lru_cache(maxsize=1)
def loader() -> str:
    """The script that loads a component's real one."""
    return (Path(__file__).parent / "live_chart.js").read_text("utf-8")


# Styles are not isolated: Plotly puts its style rules into the document, where a shadow root would not see them.
_component = st.components.v2.component("trainscope_live", js=loader(), isolate_styles=False)


def common(token: str) -> dict[str, Any]:
    """What every live component is told: where its files are, its colours, and the token for its connection."""
    return {
        "base": f"/{config.get_option('server.baseUrlPath') or ''}".rstrip("/"),
        "assets": assets_version(),
        "plotly": plotly.__version__,
        "palette": PALETTE,
        "token": token,
    }


def live_panel(
    runs: Sequence[ShownRun],
    token: str,
    *,
    planned: Mapping[str, Any] | None = None,
    metric: Metric = Metric(),  # frozen: one default for all is safe
    follow: int | None = None,
    empty: str = "No runs yet — press Start",
    key: str = "live",
) -> None:
    """Draw the status line and the four live charts.

    `runs` are drawn in this order, later ones on top. `token` comes from `pages.live.tokens.page_token` and must name every
    run in `runs`. `planned` is a learning-rate curve to draw dotted before and behind the runs: `{"steps": [...],
    "lr": [...], "steps_per_epoch": n}`. `follow` is the run that the status line tells of (else the newest that is
    not over, else the last). Keep `key` the same on every rerun: it is what keeps the charts mounted.
    """
    data = common(token) | {
        "runs": [asdict(run) for run in runs],
        "planned": None if planned is None else dict(planned),
        "metric": asdict(metric),
        "follow": follow,
        "empty": empty,
    }
    _component(data=data, key=key)
