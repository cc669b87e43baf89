"""Which runs are on the chart, in which color, and which of them are hidden: one selection for each tab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from pages.widgets.history import config_of
from pages.widgets.live_chart import PALETTE
from trainer.store import Run

COLORS = len(PALETTE["light"])
INITIAL_RUNS = 5  # earlier runs that a fresh tab shows
MAX_RUNS = 16
_KEY = "chart-selection"


@dataclass
class Place:
    """How a run appears on the chart. `color` is an index into `PALETTE`."""

    color: int
    visible: bool = True


def chart_selection(runs: Sequence[Run]) -> dict[int, Place]:
    """Returns the places by run id, oldest first, without deleted runs. A fresh tab starts with the newest few of `runs`."""
    if _KEY not in st.session_state:
        show_only(sorted(run.id for run in _comparable(runs)[:INITIAL_RUNS]))
    places: dict[int, Place] = st.session_state[_KEY]
    for deleted in places.keys() - {run.id for run in runs}:
        del places[deleted]
    return dict(sorted(places.items()))


def show(run_id: int) -> None:
    """Puts a run on the chart in the least used color; the oldest run makes room when there are too many."""
    places: dict[int, Place] = st.session_state.setdefault(_KEY, {})
    if run_id in places:
        places[run_id].visible = True
        return
    while len(places) >= MAX_RUNS:
        del places[min(places)]
    used = [place.color for place in places.values()]
    places[run_id] = Place(min(range(COLORS), key=used.count))


def show_only(run_ids: Sequence[int]) -> None:
    """Clears the chart and puts these runs on it."""
    st.session_state[_KEY] = {}
    for run_id in run_ids:
        show(run_id)


def remove(run_id: int) -> None:
    """Takes a run off the chart; it stays on the Runs page."""
    st.session_state.get(_KEY, {}).pop(run_id, None)


def toggle(run_id: int) -> None:
    """Hides a run that is visible, shows one that is hidden."""
    place = st.session_state[_KEY][run_id]
    place.visible = not place.visible


def hide_other_data(runs: Sequence[Run], data: str) -> None:
    """Hides those of `runs` that trained on another data set: their losses are not comparable."""
    places: dict[int, Place] = st.session_state.get(_KEY, {})
    for run in runs:
        config = config_of(run)
        if run.id in places and config is not None and config.data.name != data:
            places[run.id].visible = False


def recolor(run_id: int) -> None:
    """Gives a run the next color that no other run has; the next in any case when all are taken."""
    places: dict[int, Place] = st.session_state[_KEY]
    current = places[run_id].color
    used = {place.color for place in places.values()}
    following = [(current + step) % COLORS for step in range(1, COLORS + 1)]
    places[run_id].color = next((color for color in following if color not in used), following[0])


def _comparable(runs: Sequence[Run]) -> list[Run]:
    """Returns the runs on the newest one's data, newest first: losses on other data are not comparable."""
    newest_first = sorted(runs, key=lambda run: -run.id)
    configs = [(run, config_of(run)) for run in newest_first[: 10 * INITIAL_RUNS]]
    data = next((config.data.name for _, config in configs if config), None)
    return [run for run, config in configs if config and config.data.name == data]
