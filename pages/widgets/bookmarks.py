"""Bookmarks of the Runs page: filter, toggles, selected runs and grouping under a name. All of it is in the address, too, so that
a link leads others to the same."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from pages.widgets.chosen_curves import GROUP_BY
from pages.widgets.linked_run import PARAMETER, SEVERAL, link_target
from pages.widgets.markup import quiet
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from pages.widgets.text import escape_markdown, shorten
from trainer.store import MAX_LENGTHS

SHOWN: Final = {"runs-filter": "", "runs-archived": False, "runs-probes": False, SEVERAL: False, GROUP_BY: ""}
"""The widgets that say what the page shows, by key, each with its default."""
NAME: Final = "bookmark-name"


def bookmarks(context: PageContext) -> None:
    """Draws the menu: each bookmark to open or delete, and a field to add one."""
    with st.popover("Bookmarks", icon=":material/bookmarks:"):
        found = context.store.bookmarks(context.owner)
        if not found:
            st.html(quiet("Keeps under a name what this page shows: filter, selected runs and grouping."))
        for number, (name, shows) in enumerate(found.items()):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.button(
                    escape_markdown(shorten(name, 40)),
                    key=f"bookmark-{number}",
                    type="tertiary",
                    icon=":material/bookmark:",
                    on_click=_open,
                    args=(shows,),
                )
                st.button(
                    "Delete",
                    key=f"bookmark-delete-{number}",
                    type="tertiary",
                    icon=":material/delete:",
                    on_click=reporting_errors()(context.store.delete_bookmark),
                    args=(context.owner, name),
                    help="Deletes the bookmark; the runs stay.",
                )
        with st.form("bookmark-form", border=False):
            st.text_input(
                "Name",
                key=NAME,
                max_chars=MAX_LENGTHS["name"],
                placeholder="Name of what the page shows now",
                help="One of the same name is replaced.",
            )
            st.form_submit_button(
                "Add bookmark", icon=":material/bookmark_add:", on_click=_add, args=(context,)
            )


@reporting_errors()
def _add(context: PageContext) -> None:
    shows: dict[str, Any] = {key: st.session_state.get(key, usual) for key, usual in SHOWN.items()}
    context.store.save_bookmark(context.owner, st.session_state[NAME], {**shows, PARAMETER: link_target()})
    st.session_state[NAME] = ""


def _open(shows: dict[str, Any]) -> None:
    for key, usual in SHOWN.items():
        st.session_state[key] = shows.get(key, usual)
    if runs := shows.get(PARAMETER):
        st.query_params[PARAMETER] = runs
    else:
        st.query_params.pop(PARAMETER, None)
