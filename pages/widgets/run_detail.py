"""One selected run: its name and notes, how it did, its knobs, and what can be done with it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import streamlit as st

from pages.widgets.branching import branches_section
from pages.widgets.chart_selection import show
from pages.widgets.diagnosis import diagnosis
from pages.widgets.export_section import export_section
from pages.widgets.history import config_of, run_facts
from pages.widgets.knob_changes import changes_section
from pages.widgets.knobs import load_config
from pages.widgets.markup import difference_chips, facts_list, notice, quiet
from pages.widgets.other_spaces import other_spaces
from pages.widgets.page_context import PageContext
from pages.widgets.page_parts import keep_or_delete
from pages.widgets.run_card import run_state, show_error
from pages.widgets.run_polling import reporting_errors
from pages.widgets.tags import run_tags
from pages.widgets.text import escape_html, run_title
from pages.widgets.what_if import what_if_link
from trainer.config import RunConfig
from trainer.describe.labels import Differences
from trainer.formatting import format_bytes
from trainer.lifecycle.states import RunState
from trainer.settings import get_settings
from trainer.store import MAX_LENGTHS, Run
from trainer.store.removal import delete_with_files


def run_detail(context: PageContext, run: Run, differs: Differences) -> None:
    """Draws the panel."""
    with st.container(border=True, key="run-detail"):
        st.html(
            f'<div class="tp-run"><strong class="tp-name">{escape_html(run_title(run))}</strong>{run_state(run)}'
            f"{difference_chips(differs)}</div>"
        )
        may_not = context.refusal(run)
        _actions(context, run, disabled=may_not is not None)
        if may_not:
            st.html(notice(may_not))
        if run.error:
            show_error(run)
        changes_section(context, run, context.store.knob_changes(run.id))
        branches_section(context, run)
        diagnosis(context, run)
        left, right = st.columns(2, gap="large")
        with left:
            _name_and_notes(context, run, disabled=may_not is not None)
        with right:
            _facts(run)
        export_section(context.store, run)
        other_spaces(context, run)


def _name_and_notes(context: PageContext, run: Run, *, disabled: bool) -> None:
    """Draws the fields, which save what was typed when they lose the focus."""
    store, name, notes = context.store, f"name-{run.id}", f"notes-{run.id}"
    st.text_input(
        "Name",
        run.name,
        max_chars=MAX_LENGTHS["name"],
        key=name,
        placeholder=run_title(replace(run, name="")),
        disabled=disabled,
        on_change=reporting_errors()(
            lambda: store.rename(run.id, st.session_state[name].strip(), by=context.owner)
        ),
    )
    st.text_area(
        "Notes",
        run.notes,
        max_chars=MAX_LENGTHS["notes"],
        key=notes,
        placeholder="What did you expect, what did you see?",
        disabled=disabled,
        on_change=reporting_errors()(
            lambda: store.set_notes(run.id, st.session_state[notes], by=context.owner)
        ),
    )
    run_tags(context, [run], f"tags-{run.id}", disabled=disabled)


def _facts(run: Run) -> None:
    """Draws how the run did."""
    facts = run_facts(run)
    progress = run.progress
    if progress.get("parameters"):
        facts["Parameters"] = f"{progress['parameters']:,}"
    if progress.get("step"):
        facts["Steps"] = f"{progress['step']:,}"
    if progress.get("peak_memory"):
        facts["Peak memory"] = format_bytes(progress["peak_memory"])
    if facts:
        st.html(facts_list(facts))
    if config_of(run) is None:
        st.html(quiet("The run's knobs were set in another version and cannot be read here."))
    for sentence in run.notices:
        st.html(notice(sentence))


def _actions(context: PageContext, run: Run, *, disabled: bool) -> None:
    """Draws the buttons; `disabled` are those that change the run."""
    config = config_of(run)
    with st.container(horizontal=True, gap="small", key="run-actions"):
        what_if_link(context, run)
        st.button(
            "Load these knobs",
            icon=":material/tune:",
            disabled=config is None,
            on_click=_load,
            args=(config,),
            key=f"load-{run.id}",
        )
        st.button(
            "Show on chart",
            icon=":material/show_chart:",
            disabled=run.space not in context.spaces,
            on_click=_show,
            args=(run.id,),
            key=f"show-{run.id}",
        )
        st.button(
            "Unarchive" if run.archived else "Archive",
            icon=":material/unarchive:" if run.archived else ":material/archive:",
            disabled=disabled,
            on_click=reporting_errors()(context.store.archive),
            args=(run.id, not run.archived),
            kwargs={"by": context.owner},
            key=f"archive-{run.id}",
        )
        if st.button("Delete", icon=":material/delete:", key=f"delete-{run.id}", disabled=disabled):
            _confirm_delete(context, run)


def _load(config: RunConfig) -> None:
    load_config(config)
    st.toast("The sidebar now has this run's knobs.", icon=":material/tune:")


def _show(run_id: int) -> None:
    show(run_id)
    st.toast("The run is on the chart of the Train page.", icon=":material/show_chart:")


@st.dialog("Delete this run?")
def _confirm_delete(context: PageContext, run: Run) -> None:
    st.html(
        f"<p><strong>{escape_html(run_title(run))}</strong> is deleted for good, with its curves, notes and checkpoint.</p>"
    )
    if run.status is RunState.RUNNING:
        st.warning("The run is training. Stop it first.", icon=":material/info:")
    keep_or_delete(
        partial(_delete, context, run.id), key="confirm-delete", possible=run.status is not RunState.RUNNING
    )


@reporting_errors()
def _delete(context: PageContext, run_id: int) -> None:
    delete_with_files(context.store, get_settings(), run_id, by=context.owner)
    st.query_params.pop("run", None)
