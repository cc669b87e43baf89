"""The Runs page: every run of the visitor, to find, name, annotate, compare, archive or delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from pages.widgets.baseline import pinned, reference
from pages.widgets.bookmarks import bookmarks
from pages.widgets.chosen_curves import chosen_curves
from pages.widgets.chosen_runs import chosen_runs
from pages.widgets.elsewhere import run_elsewhere
from pages.widgets.history import config_of, differences_by_run, is_probe
from pages.widgets.import_runs import import_runs
from pages.widgets.linked_run import SEVERAL, link_target, link_to, linked_runs
from pages.widgets.markup import information, quiet
from pages.widgets.page_context import PageContext
from pages.widgets.page_parts import empty_state, heading, link_to_train
from pages.widgets.run_detail import run_detail
from pages.widgets.run_polling import poll_states
from pages.widgets.run_table import matching, run_table
from pages.widgets.text import shorten
from trainer.describe.labels import Differences
from trainer.store import Run

SELECT_SEVERAL: Final = "Select two runs or more to see them side by side, export, archive or delete them."


def page(context: PageContext) -> None:
    """Draws the page."""
    runs = context.runs(archived=None)
    heading("Runs")
    linked = linked_runs(runs)
    if not linked and (target := link_target()) is not None:
        if (shared := run_elsewhere(context, target)) is not None:
            _draw_shared(context, shared)
            return
        st.html(
            information(
                f"Run {shorten(target, 40)} is not among yours, or the link to it does not hold any more. To let others "
                "look at a run of yours, open it and press Share."
            )
        )
    import_runs(context)
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


def _draw_shared(context: PageContext, run: Run) -> None:
    """Draws a run that a link has opened, to look at."""
    st.html(information("Somebody has opened this run to you with a link: you can look at it."))
    run_detail(context, run, differences_by_run([run], None)[run.id])
    if (config := config_of(run)) is not None:
        chosen_curves(context.store, [run], [config])


def _draw_runs(context: PageContext, runs: Sequence[Run], linked: Sequence[Run]) -> None:
    """Draws the filter, the table, and what is selected in it."""
    differs = differences_by_run(runs, pinned(runs))
    shown = _filtered(context, runs, differs, linked)
    several = bool(st.session_state.get(SEVERAL))
    before, listed = [run.id for run in linked], {run.id for run in shown}
    hidden = [run for run in before if several and run not in listed]  # a filter finds more, and drops none
    chosen = hidden + run_table(shown, differs, before, reference(runs), context.names(), several=several)
    if hidden:
        st.html(
            quiet(f"{len(hidden)} of the selected runs {'is' if len(hidden) == 1 else 'are'} not listed now.")
        )
    if set(chosen) != set(before):
        link_to(*chosen)
    selected = [run for run in runs if run.id in chosen]
    if len(selected) > 1:
        chosen_runs(context, selected)
    elif selected:
        run_detail(context, selected[0], differs[selected[0].id])
    elif shown:
        st.html(quiet(SELECT_SEVERAL if several else "Select a run to name it, add notes or load its knobs."))


def _filtered(
    context: PageContext, runs: Sequence[Run], differs: dict[int, Differences], linked: Sequence[Run]
) -> list[Run]:
    """Draws the filter; returns the runs that it leaves, at first with those that the address names."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="runs-filter-bar"):
        text = st.text_input(
            "Filter",
            key="runs-filter",
            bind="query-params",
            placeholder="Name, note, tag, state or knob",
            label_visibility="collapsed",
            icon=":material/search:",
            max_chars=100,
        ).strip()
        archived = st.toggle(
            "Archived",
            value=any(run.archived for run in linked),
            key="runs-archived",
            bind="query-params",
            help="Show archived runs instead.",
        )
        probes = st.toggle(
            "LR tests",
            value=any(is_probe(run) for run in linked),
            key="runs-probes",
            bind="query-params",
            help="Show the tests of the LR finder instead.",
        )
        st.toggle(
            "Several",
            value=len(linked) > 1,
            key=SEVERAL,
            bind="query-params",
            help="Select several runs: to see them side by side, export, archive or delete them.",
        )
        bookmarks(context)
    kept = [run for run in runs if run.archived == archived and is_probe(run) == probes]
    found = matching(kept, differs, text)
    if not found and text:
        st.text(f"No run matches “{text}”.")
    elif not found and probes:
        st.text("No tests of the LR finder.")
    elif not found:
        st.text("No archived runs." if archived else "All runs are archived, or tests of the LR finder.")
    return found
