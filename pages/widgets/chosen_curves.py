"""The validation loss of the selected runs: a line for each, or a line with a band for each value of a knob."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import streamlit as st

from pages.widgets.band_options import band_options
from pages.widgets.chart_selection import MAX_RUNS
from pages.widgets.layer_chart import theme_colors
from pages.widgets.markup import quiet
from pages.widgets.text import run_title
from trainer.comparison.bands import align
from trainer.comparison.figure import Group, group_chart, run_chart
from trainer.config import RunConfig
from trainer.describe.run_set import alike_in_data, differing_knobs, groups_of, is_seed, knob_label
from trainer.store import Points, Run, Store

GROUP_BY: Final = "runs-group"
MAX_GROUPS: Final = 16
MAX_GROUPED: Final = 200
"""Runs whose curves are read to be drawn in groups, at most."""


def chosen_curves(store: Store, runs: Sequence[Run], configs: Sequence[RunConfig]) -> None:
    """Draws those on the data set that most of them trained on: a loss on other data cannot be compared."""
    kept = alike_in_data(configs)
    said = []
    if left_out := len(runs) - len(kept):
        said.append(f"{left_out} on other data {'is' if left_out == 1 else 'are'} left out.")
    runs, configs = [runs[place] for place in kept], [configs[place] for place in kept]
    key = _group_by(configs)
    limit = MAX_GROUPED if key else MAX_RUNS
    if len(runs) > limit:
        said.append(f"The newest {limit} of {len(runs)} are drawn.")
        newest = sorted(range(len(runs)), key=lambda place: -runs[place].id)[:limit]
        runs, configs = [runs[place] for place in newest], [configs[place] for place in newest]
    curves = [store.read_points(run.id, "epoch") for run in runs]
    if waiting := sum(not len(curve) for curve in curves):
        said.append(f"{waiting} {'has' if waiting == 1 else 'have'} no epoch yet.")
    if waiting < len(runs):
        said += _groups(runs, configs, curves, key) if key else _lines(runs, curves)
    if said:
        st.html(quiet(" ".join(said)))


def _group_by(configs: Sequence[RunConfig]) -> str:
    """Draws the choice of a knob; returns its key, or an empty string for none."""
    keys = [key for key in differing_knobs(configs) if not is_seed(key)]
    if not keys:
        return ""
    labels = {key: knob_label(key, configs) for key in keys}
    if st.session_state.get(GROUP_BY) not in (
        "",
        *keys,
    ):  # a bookmark may name a knob in which these do not differ
        st.session_state.pop(GROUP_BY, None)
    return (
        st.selectbox(
            "Group by",
            ["", *keys],
            format_func=lambda key: labels.get(key, "Nothing: a line for each run"),
            key=GROUP_BY,
            bind="query-params",
            help="Draws the runs that have the same value of this knob as one line with a band, whatever their seeds.",
            width=320,
        )
        or ""
    )


def _lines(runs: Sequence[Run], curves: Sequence[Points]) -> list[str]:
    _, log = band_options("chosen", kinds=())
    drawn = [(run_title(run), curve) for run, curve in zip(runs, curves, strict=True) if len(curve)]
    st.plotly_chart(
        run_chart(drawn, theme_colors(), log),
        key="chosen-curves",
        config={"displaylogo": False},
        alt="Validation loss by epoch: "
        + ", ".join(f"{title} ends at {_last(curve):.4g}" for title, curve in drawn),
    )
    return []


def _groups(
    runs: Sequence[Run], configs: Sequence[RunConfig], curves: Sequence[Points], key: str
) -> list[str]:
    """Draws the groups, and returns what is to be said of them."""
    kind, log = band_options("chosen")
    begun = [place for place, curve in enumerate(curves) if len(curve)]
    found = groups_of([configs[place] for place in begun], key)
    largest = sorted(found, key=lambda name: -len(found[name]))[:MAX_GROUPS]
    members = {name: [begun[place] for place in found[name]] for name in found if name in largest}
    label = knob_label(key, configs)
    groups = [
        Group(
            f"{name} ({len(places)} run{'s' * (len(places) > 1)})",
            align(
                {runs[place].id: curves[place].column("val_loss", missing=math.nan) for place in places},
                {runs[place].id: runs[place].is_over for place in places},
            ),
        )
        for name, places in members.items()
    ]
    figure = group_chart(groups, theme_colors(), kind, log)
    st.plotly_chart(
        figure.update_layout(legend_title_text=f"{label}:"),
        key="chosen-curves",
        config={"displaylogo": False},
        alt=f"Validation loss by epoch, grouped by {label}: " + ", ".join(group.name for group in groups),
    )
    said = []
    if len(found) > len(groups):
        said.append(f"The {len(groups)} largest of {len(found)} groups are drawn.")
    if any(len({len(curves[place]) for place in places}) > 1 for places in members.values()):
        said.append("A run that is over counts with its last value; one in training ends its group's line.")
    inside = {
        other
        for places in members.values()
        for other in differing_knobs([configs[place] for place in places])
        if not is_seed(other)
    }
    if inside:
        others = ", ".join(sorted(knob_label(other, configs) for other in inside))
        said.append(
            f"Runs of one group also differ in: {others}. Their band shows that, too, not seeds alone."
        )
    return said


def _last(curve: Points) -> float:
    return float(curve.column("val_loss", missing=math.nan)[-1])
