"""Sharing a run or a comparison: a link for everybody to look at it, and the ways into another space."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from pages.widgets.addresses import address_of
from pages.widgets.linked_comparison import PARAMETER as COMPARISON
from pages.widgets.linked_run import PARAMETER as RUN
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from pages.widgets.space_choice import KEY, PRIVATE
from pages.widgets.space_members import keep_made_link, links_of, show_made_link
from pages.widgets.text import escape_markdown, shorten
from trainer.export.bundle import BundleError
from trainer.export.copying import copy_comparison, copy_run
from trainer.settings import get_settings
from trainer.spaces import LinkKind, may_add
from trainer.store import Comparison, Run


def other_spaces(context: PageContext, thing: Run | Comparison) -> None:
    """Draws the section."""
    kind = LinkKind.RUN if isinstance(thing, Run) else LinkKind.COMPARISON
    may_change = context.refusal(thing, kind) is None
    with st.expander("Share, move or copy", icon=":material/share:", key=f"share-{kind}-{thing.id}"):
        if may_change:
            place = f"{kind}-{thing.id}"
            st.button(
                "Make a link for everybody",
                key=f"publish-{place}",
                icon=":material/link:",
                help=f"Whoever has the link can look at this {kind}, and change nothing.",
                on_click=partial(_publish, context, kind, thing.id, place),
            )
            show_made_link(place)
            links_of(context, thing.space, kind, thing.id)
        _elsewhere(context, thing, kind, may_change)


def _elsewhere(context: PageContext, thing: Run | Comparison, kind: LinkKind, may_change: bool) -> None:
    """Draws the choice of a space, with the ways to move and to copy there."""
    titles = {one.id: one.title for one in context.shared if not one.archived}
    titles[context.owner] = PRIVATE
    targets = [
        one for one in titles if one != thing.space and may_add(one, context.owner, context.roles) is None
    ]
    if not targets:
        st.caption("To share it with others for good, make a project on the Spaces page.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.selectbox(
            "Another space",
            range(len(targets)),
            format_func=lambda place: shorten(titles[targets[place]], 40),
            key=f"move-to-{kind}-{thing.id}",
            width=240,
        )
        target = targets[chosen]
        st.button(
            "Move",
            key=f"move-{kind}-{thing.id}",
            disabled=not may_change,
            help=f"The {kind} leaves this space, with the right to the file that it trained on.",
            on_click=partial(_move, context, thing, target),
        )
        st.button(
            "Copy",
            key=f"copy-to-{kind}-{thing.id}",
            help=f"The {kind} as it is now, with its curves and weights; it stays here, too.",
            on_click=partial(_copy, context, thing, target),
        )


@reporting_errors()
def _publish(context: PageContext, kind: LinkKind, number: int, place: str) -> None:
    key = context.store.publish(kind, number, by=context.owner)
    page, name = (context.runs_page, RUN) if kind is LinkKind.RUN else (context.comparisons_page, COMPARISON)
    keep_made_link(place, address_of(page, context, {name: str(number), KEY: key}))


@reporting_errors()
def _move(context: PageContext, thing: Run | Comparison, target: str) -> None:
    there = context.store.acting_for(context.owner, target)
    if isinstance(thing, Run):
        there.move_run(thing.id, by=context.owner)
    else:
        there.move_comparison(thing.id, by=context.owner)
    for parameter in (RUN, COMPARISON):
        st.query_params.pop(parameter, None)
    st.toast("Moved.", icon=":material/drive_file_move:")


@reporting_errors()
def _copy(context: PageContext, thing: Run | Comparison, target: str) -> None:
    there = context.store.acting_for(context.owner, target)
    copy: Callable[..., Any] = copy_run if isinstance(thing, Run) else copy_comparison
    try:
        copy(there, get_settings(), thing.id, by=context.owner)
    except BundleError as error:
        st.toast(escape_markdown(error), icon=":material/info:")
        return
    st.toast("Copied.", icon=":material/content_copy:")
