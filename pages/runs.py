"""The Runs page: every run of the visitor, to find, name, annotate, compare, archive or delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pages.widgets.history import changes_by_run
from pages.widgets.import_run import import_run
from pages.widgets.page_context import PageContext
from pages.widgets.run_detail import run_detail
from pages.widgets.run_polling import poll_states
from pages.widgets.run_table import matching, run_table
from pages.widgets.text import escape_markdown, shorten
from trainer.config import Change
from trainer.store import Run

SELECTED = "run"  # in the address, so that a link can point at a run


def page(context: PageContext) -> None:
    """Draw the page."""
    everything = context.runs(archived=None)
    changes = changes_by_run(everything)
    st.html('<h1 class="tp-page">Runs</h1>')
    _say_if_missing(everything)
    import_run(context.owner)
    if not everything:
        _none_yet(context)
        return
    poll_states(context.store, everything, show_queue=False)
    shown = _filtered(everything, changes)
    selected = _selected(everything)
    table, detail = st.container(), st.container()
    with table:
        chosen = run_table(shown, changes, selected.id if selected else None)
    if chosen != (selected.id if selected else None):
        _select(chosen)
        selected = next((run for run in everything if run.id == chosen), None)
    with detail:
        if selected is not None:
            run_detail(context, selected, changes[selected.id])
        elif shown:
            st.html('<p class="tp-quiet">Select a run to name it, note something, or load its knobs.</p>')


def _say_if_missing(runs: Sequence[Run]) -> None:
    """A link may name a run that is gone or somebody else's."""
    asked: Any = st.query_params.get(SELECTED)
    if asked is not None and _selected(runs) is None:
        st.info(
            f"Run {escape_markdown(shorten(asked, 20))} is not among yours. To share a run, send its knobs: "
            "load them, then use Copy link.",
            icon=":material/info:",
        )


def _none_yet(context: PageContext) -> None:
    st.html(
        '<div class="tp-empty"><h2>No runs yet</h2><p>Each run that you start is kept here with its knobs, its curves '
        "and how it ended, so that you can come back to it and compare.</p></div>"
    )
    with st.container(horizontal_alignment="center"):
        st.page_link(context.train_page, label="Go to Train", icon=":material/arrow_forward:")


def _filtered(runs: Sequence[Run], changes: dict[int, list[Change]]) -> list[Run]:
    """The runs that the filter and the archive's switch leave."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="runs-filter-bar"):
        text = st.text_input(
            "Filter",
            key="runs-filter",
            placeholder="Name, note, state or changed knob",
            label_visibility="collapsed",
            icon=":material/search:",
            max_chars=100,
        )
        archived = st.toggle("Archived", key="runs-archived", help="Show archived runs instead.")
    kept = [run for run in runs if run.archived == archived]
    found = matching(kept, changes, text)
    if not found:
        what = (
            f"No run matches “{text.strip()}”."
            if text.strip()
            else "No archived runs."
            if archived
            else "All runs are archived."
        )
        st.text(what)
    return found


def _selected(runs: Sequence[Run]) -> Run | None:
    """The run that the address names."""
    asked: Any = st.query_params.get(SELECTED, "")
    return next((run for run in runs if str(run.id) == asked), None)


def _select(run_id: int | None) -> None:
    if run_id is None:
        st.query_params.pop(SELECTED, None)
    else:
        st.query_params[SELECTED] = str(run_id)
