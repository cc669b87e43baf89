"""Which runs stand on the axes, in which colour, and which of them are hidden: one choice for each tab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from pages.widgets.history import config_of
from pages.widgets.live_chart import PALETTE
from trainer.store import Run

COLOURS = len(PALETTE["light"])
FIRST = 5  # earlier runs that a fresh page shows
MOST = 16


@dataclass
class Place:
    """A run's place on the axes."""

    color: int
    visible: bool = True


def lineup(runs: Sequence[Run]) -> dict[int, Place]:
    """The places by run id, oldest first, without runs that are gone. A fresh tab starts with the newest few."""
    known = {run.id for run in runs}
    if "lineup" not in st.session_state:
        st.session_state["lineup"] = {}
        for run in sorted(_comparable(runs)[:FIRST], key=lambda run: run.id):
            show(run.id)
    places: dict[int, Place] = st.session_state["lineup"]
    for gone in places.keys() - known:
        del places[gone]
    return dict(sorted(places.items()))


def show(run_id: int) -> None:
    """Put a run on the axes, in the first colour that no other has; the oldest makes room when there are too many."""
    places: dict[int, Place] = st.session_state.setdefault("lineup", {})
    if run_id in places:
        places[run_id].visible = True
        return
    while len(places) >= MOST:
        del places[min(places)]
    places[run_id] = Place(_free_colour(places))


def show_only(run_ids: Sequence[int]) -> None:
    """Clear the axes and put these runs on them."""
    st.session_state["lineup"] = {}
    for run_id in run_ids:
        show(run_id)


def remove(run_id: int) -> None:
    """Take a run off the axes; it stays on the Runs page."""
    st.session_state.get("lineup", {}).pop(run_id, None)


def toggle(run_id: int) -> None:
    """Hide a run that is shown, show one that is hidden."""
    place = st.session_state["lineup"][run_id]
    place.visible = not place.visible


def recolour(run_id: int) -> None:
    """Give a run the next colour that no other has."""
    places: dict[int, Place] = st.session_state["lineup"]
    own = places[run_id].color
    taken = {place.color for place in places.values()}
    after = [(own + step) % COLOURS for step in range(1, COLOURS + 1)]
    places[run_id].color = next((color for color in after if color not in taken), after[0])


def _free_colour(places: dict[int, Place]) -> int:
    used = [place.color for place in places.values()]
    return min(range(COLOURS), key=lambda color: (used.count(color), color))


def _comparable(runs: Sequence[Run]) -> list[Run]:
    """Newest first, those that learn from the same data as the newest: other losses mean something else."""
    newest_first = sorted(runs, key=lambda run: -run.id)
    configs = [(run, config_of(run)) for run in newest_first[: 10 * FIRST]]
    data = next((config.data.name for _, config in configs if config), None)
    return [run for run, config in configs if config and config.data.name == data]
