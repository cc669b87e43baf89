"""What comparisons and searches have alike: the heading, title, notes and tags, and the ways to archive and to delete."""

from __future__ import annotations

from functools import partial

import streamlit as st

from pages.widgets.linked_comparison import link_to_comparison
from pages.widgets.page_context import PageContext
from pages.widgets.page_parts import keep_or_delete, way_back
from pages.widgets.run_polling import reporting_errors
from pages.widgets.tags import tags_field
from pages.widgets.text import escape_html
from trainer.lifecycle.states import SearchState
from trainer.settings import get_settings
from trainer.store import MAX_LENGTHS, Comparison


def comparison_heading(comparison: Comparison) -> None:
    """Draws the title, and the way back to the list."""
    title = comparison.title or f"Comparison {comparison.id}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        way_back("All comparisons", "comparison-back", link_to_comparison)
    st.html(f'<h1 class="tp-page">{escape_html(title)}</h1>')


def comparison_about(context: PageContext, comparison: Comparison) -> None:
    """Draws title, notes and tags, and the ways to archive and to delete."""
    store, comparison_id = context.store, comparison.id
    title, notes = f"comparison-title-{comparison_id}", f"comparison-notes-{comparison_id}"
    with st.expander("Title, notes and tags"):
        st.text_input(
            "Title",
            comparison.title,
            max_chars=MAX_LENGTHS["name"],
            key=title,
            on_change=reporting_errors()(
                lambda: store.rename_comparison(
                    comparison_id, st.session_state[title].strip(), by=context.owner
                )
            ),
        )
        st.text_area(
            "Notes",
            comparison.notes,
            max_chars=MAX_LENGTHS["notes"],
            key=notes,
            placeholder="What did you expect, what did you see?",
            on_change=reporting_errors()(
                lambda: store.set_comparison_notes(comparison_id, st.session_state[notes], by=context.owner)
            ),
        )
        tags_field(
            context,
            [comparison.tags],
            lambda _, tags: store.set_comparison_tags(comparison_id, tags, by=context.owner),
            f"comparison-tags-{comparison_id}",
        )
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Unarchive" if comparison.archived else "Archive",
                icon=":material/archive:",
                key=f"comparison-archive-{comparison_id}",
                help="Also stops the search; unarchive it and press Continue to go on."
                if comparison.search is SearchState.RUNNING
                else None,
                on_click=reporting_errors()(
                    lambda: store.archive_comparison(comparison_id, not comparison.archived, by=context.owner)
                ),
            )
            if st.button("Delete", icon=":material/delete:", key=f"comparison-delete-{comparison_id}"):
                _confirm_delete(context, comparison_id)


@st.dialog("Delete this comparison?")
def _confirm_delete(context: PageContext, comparison_id: int) -> None:
    st.markdown("The comparison is deleted for good, with all its runs, their curves and checkpoints.")
    keep_or_delete(partial(_delete, context, comparison_id), key="confirm-delete-comparison")


@reporting_errors()
def _delete(context: PageContext, comparison_id: int) -> None:
    for run_id in context.store.delete_comparison(comparison_id, by=context.owner):
        get_settings().remove_run_folder(run_id)
    link_to_comparison(None)
