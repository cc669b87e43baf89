"""Which runs are on the chart, in which color, which of them are hidden, and how all are drawn: one selection for each tab."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.widgets.chart_address import (
    ChartOptions,
    chart_parameters,
    options_in,
    runs_in,
    to_parameters,
)
from pages.widgets.history import config_of
from trainer.curves.palette import PALETTE
from trainer.store import Run

COLORS = len(PALETTE["light"])
INITIAL_RUNS = 5  # earlier runs that a fresh tab shows
MAX_RUNS = 16
_KEY, _OPTIONS = "chart-selection", "chart-options"
_CLEARED = "chart-cleared"  # set when no run is on the chart because the visitor wanted it so


@dataclass
class Place:
    """How a run appears on the chart. `color` is an index into `PALETTE`, which begins again, with marks, behind its end."""

    color: int
    visible: bool = True


def chart_selection(runs: Sequence[Run]) -> dict[int, Place]:
    """Returns the places by run id, oldest first, without deleted runs. A fresh tab starts with what its address says, else
    with the newest few of `runs`. Puts what is on the chart into the address."""
    known = {run.id for run in runs}
    if _KEY not in st.session_state:
        _begin(chart_parameters(st.query_params.to_dict()), runs)
    places: dict[int, Place] = st.session_state[_KEY]
    for deleted in places.keys() - known:
        del places[deleted]
    _write_address()
    return dict(sorted(places.items()))


def _begin(address: Mapping[str, str], runs: Sequence[Run]) -> None:
    """Starts the tab's selection."""
    if address:
        st.session_state[_OPTIONS] = options_in(address)
    asked = runs_in(address)
    if asked == {}:
        clear()
        return
    known = {run.id for run in runs}
    visible = {run: shown for run, shown in (asked or {}).items() if run in known}
    show_only(sorted(visible) or sorted(run.id for run in _comparable(runs)[:INITIAL_RUNS]))
    for run, shown in visible.items():
        if run in st.session_state[_KEY]:
            st.session_state[_KEY][run].visible = shown


def chart_options() -> ChartOptions | None:
    """Returns how the charts are drawn; None where the tab has not chosen, and what the browser remembers counts."""
    options: ChartOptions | None = st.session_state.get(_OPTIONS)
    return options


def choose(choices: Mapping[str, Any]) -> None:
    """Takes over what the visitor has chosen on the charts: the options, and which of the `shown` runs are `hidden`."""
    st.session_state[_OPTIONS] = options_in({name: choices[name] for name in ChartOptions.model_fields})
    places: dict[int, Place] = st.session_state.get(_KEY, {})
    for run in choices["shown"]:
        if run in places:
            places[run].visible = run not in choices["hidden"]


def selection_parameters() -> dict[str, str]:
    """Returns the address's parameters for what is on the chart."""
    places: dict[int, Place] = st.session_state.get(_KEY, {})
    chosen = bool(places) or st.session_state.get(_CLEARED, False)
    runs = {run: place.visible for run, place in sorted(places.items())} if chosen else None
    return to_parameters(runs, chart_options() or ChartOptions())


def _write_address() -> None:
    wanted, present = selection_parameters(), chart_parameters(st.query_params.to_dict())
    for name in present.keys() - wanted.keys():
        del st.query_params[name]
    for name, value in wanted.items():
        if present.get(name) != value:
            st.query_params[name] = value


def show(run_id: int) -> None:
    """Puts a run on the chart in the least used color; the oldest run makes room when there are too many."""
    places: dict[int, Place] = st.session_state.setdefault(_KEY, {})
    st.session_state[_CLEARED] = False
    if run_id in places:
        places[run_id].visible = True
        return
    while len(places) >= MAX_RUNS:
        del places[min(places)]
    used = [place.color for place in places.values()]
    places[run_id] = Place(min(range(MAX_RUNS), key=used.count))


def show_only(run_ids: Sequence[int]) -> None:
    """Clears the chart and puts these runs on it."""
    st.session_state[_KEY] = {}
    for run_id in run_ids:
        show(run_id)


def clear() -> None:
    """Takes all runs off the chart; they stay on the Runs page."""
    st.session_state[_KEY] = {}
    st.session_state[_CLEARED] = True


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
    following = [(current + step) % MAX_RUNS for step in range(1, MAX_RUNS + 1)]
    places[run_id].color = next((color for color in following if color not in used), following[0])


def _comparable(runs: Sequence[Run]) -> list[Run]:
    """Returns the runs on the newest one's data, newest first: losses on other data are not comparable."""
    newest_first = sorted(runs, key=lambda run: -run.id)
    configs = [(run, config_of(run)) for run in newest_first[: 10 * INITIAL_RUNS]]
    data = next((config.data.name for _, config in configs if config), None)
    return [run for run, config in configs if config and config.data.name == data]
