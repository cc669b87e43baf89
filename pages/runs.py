"""The Runs page: every run of the visitor, to find, name, annotate, compare, archive or delete."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.widgets.baseline import pinned, reference
from pages.widgets.history import differences_by_run, is_probe
from pages.widgets.import_run import import_run
from pages.widgets.linked_run import link_target, link_to, linked_run
from pages.widgets.markup import information
from pages.widgets.page_context import PageContext
from pages.widgets.page_parts import empty_state, heading, link_to_train
from pages.widgets.run_detail import run_detail
from pages.widgets.run_polling import poll_states
from pages.widgets.run_table import matching, run_table
from pages.widgets.text import shorten
from trainer.describe.labels import Differences
from trainer.store import Run


def page(context: PageContext) -> None:
    """Draws the page."""
    runs = context.runs(archived=None)
    heading("Runs")
    linked = linked_run(runs)
    if linked is None and (target := link_target()) is not None:
        st.html(
            information(
                f"Run {shorten(target, 40)} is not among yours. To share a run, share its knobs: "
                "load them, then press Copy link."
            )
        )
    import_run(context)
    if not runs:
        empty_state(
            "No runs yet",
            "Each run that you start is kept here with its knobs, its curves and how it ended, so that you can come back "
            "to it and compare.",
        )
        link_to_train(context.train_page)
        return
    poll_states(context, runs, show_queue=False)
    _draw_runs(context, runs, linked)


def _draw_runs(context: PageContext, runs: Sequence[Run], linked: Run | None) -> None:
    """Draws the filter, the table, and the run that is selected in it."""
    differs = differences_by_run(runs, pinned(runs))
    shown = _filtered(runs, differs, linked)
    linked_id = linked.id if linked else None
    selected_id = run_table(shown, differs, linked_id, reference(runs))
    if selected_id != linked_id:
        link_to(selected_id)
    selected = next((run for run in runs if run.id == selected_id), None)
    if selected is not None:
        run_detail(context, selected, differs[selected.id])
    elif shown:
        st.html('<p class="tp-quiet">Select a run to name it, add notes or load its knobs.</p>')


def _filtered(runs: Sequence[Run], differs: dict[int, Differences], linked: Run | None) -> list[Run]:
    """Draws the filter; returns the runs that it leaves, at first with the one that the address names."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="runs-filter-bar"):
        text = st.text_input(
            "Filter",
            key="runs-filter",
            placeholder="Name, note, state or knob",
            label_visibility="collapsed",
            icon=":material/search:",
            max_chars=100,
        ).strip()
        archived = st.toggle(
            "Archived",
            value=linked is not None and linked.archived,
            key="runs-archived",
            help="Show archived runs instead.",
        )
        probes = st.toggle(
            "LR tests",
            value=linked is not None and is_probe(linked),
            key="runs-probes",
            help="Show the tests of the LR finder instead.",
        )
    kept = [run for run in runs if run.archived == archived and is_probe(run) == probes]
    found = matching(kept, differs, text)
    if not found and text:
        st.text(f"No run matches “{text}”.")
    elif not found and probes:
        st.text("No tests of the LR finder.")
    elif not found:
        st.text("No archived runs." if archived else "All runs are archived, or tests of the LR finder.")
    return found
