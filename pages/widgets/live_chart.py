"""The live charts on a page: one Components-v2 component, mounted once, fed over the WebSocket of `pages.live.routes`.

The scripts are served as files (`pages/widgets/charts`), so that a rerun sends only the few lines that load them, and
the browser keeps them; the data of a rerun are labels, colors, what each chart shows and a token, never curves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import streamlit as st
from streamlit import config

from pages.server.assets import assets_version
from pages.server.plotly_script import VERSION
from pages.widgets.run_states import run_states
from trainer.curves.charts import chart_specs
from trainer.curves.palette import PALETTE

Boundary = Literal["sure", "perhaps"]
"""Whether there is a picture of a run's decision boundary: of a person's own data that is seen only in training."""


@dataclass(frozen=True)
class ShownChange:
    """A change of knobs while a run trained, drawn as a line at its step; `clip` is the gradient norm from there on."""

    step: int
    label: str
    clip: float | None


@dataclass(frozen=True)
class ShownRun:
    """One run on the axes. `label` is anybody's text and is shown as text; `color` is a place in `PALETTE`."""

    id: int
    label: str
    color: int = 0
    visible: bool = True
    clip: float | None = None
    """The gradient norm at which the run clips, drawn as a line; None when it does not clip by norm."""
    boundary: Boundary | None = None
    differs: str = ""
    """All that makes the run different, for which its label may have no room."""
    changes: Sequence[ShownChange] = ()
    unshown: int = 0
    """Earlier changes, for which the charts have no room."""


@dataclass(frozen=True)
class Score:
    """What the chart of the metric shows: its title, and whether its values are shares, written as percent."""

    title: str = "Accuracy"
    percent: bool = True


@lru_cache(maxsize=1)
def loader() -> str:
    """Returns the script that loads a component's real one."""
    return (Path(__file__).parent / "component_loader.js").read_text("utf-8")


# Styles are not isolated: Plotly puts its style rules into the document, where a shadow root would not see them.
_component = st.components.v2.component("trainscope_live", js=loader(), isolate_styles=False)


def shared_data(module: str, token: str) -> dict[str, Any]:
    """Returns what every live component needs: its script's name and address, colors, the words for a run's states, and the
    token for its connection."""
    return {
        "module": module,
        "base": f"/{config.get_option('server.baseUrlPath') or ''}".rstrip("/"),
        "assets": assets_version(),
        "plotly": VERSION,
        "palette": PALETTE,
        "token": token,
        **run_states(),
    }


def live_panel(
    runs: Sequence[ShownRun],
    token: str,
    *,
    planned: Mapping[str, Any] | None = None,
    charts: Collection[str] | None = None,
    score: Score = Score(),  # frozen: one default for all is safe
    follow: int | None = None,
    empty: str = "No runs yet — press Start",
    options: Mapping[str, Any] | None = None,
    on_choices: Callable[[Mapping[str, Any]], None] = lambda _: None,
    on_clear: Callable[[], None] | None = None,
    key: str = "live",
) -> None:
    """Draws the status line and the live charts.

    `runs` are drawn in this order, later ones on top. `token` comes from `pages.live.tokens.page_token` and must name every
    run in `runs`. `planned` is a learning-rate curve to draw dotted before and behind the runs: `{"steps": [...],
    "lr": [...], "steps_per_epoch": n}`. `follow` is the run that the status line shows (else the newest that is
    not over, else the last). `options` are those of `ChartOptions` with which charts begin (None: the browser's own of the last
    visit). `on_choices` gets the options and which of the `shown` runs are `hidden` when the visitor changes them; `on_clear`
    is called for "Clear chart", which is there only with it. `charts` names those to draw, None for all.
    Keep `key` the same on every rerun: that keeps the charts mounted.
    """
    data = shared_data("curves/chart_panel", token) | {
        "runs": [asdict(run) for run in runs],
        "charts": [
            spec for spec in chart_specs(metric=asdict(score)) if charts is None or spec["name"] in charts
        ],
        "planned": None if planned is None else dict(planned),
        "follow": follow,
        "empty": empty,
        "options": dict(options or {}),
        "clearable": on_clear is not None,
    }
    _component(
        data=[data],
        key=key,
        on_choices_change=lambda: on_choices(st.session_state[key]["choices"]),
        on_clear_change=on_clear or (lambda: None),
    )
