"""Parts that every page has: its heading, what it shows while it is empty, the way to the Train page,
and the end of a question.

Texts are this package's own HTML, never other people's words.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st


def heading(title: str, lead: str = "") -> None:
    """Draws the page's title, and under it what the page is for."""
    st.html(f'<h1 class="tp-page">{title}</h1>' + (f'<p class="tp-quiet">{lead}</p>' if lead else ""))


def way_back(label: str, key: str, leave: Callable[[None], None]) -> None:
    """Draws the button that leaves one thing for the list of all; `leave` gets None, which is nothing in particular."""
    st.button(label, key=key, type="tertiary", icon=":material/arrow_back:", on_click=leave, args=(None,))


def empty_state(title: str, text: str) -> None:
    """Draws what stands in the place of a page's content while there is none."""
    st.html(f'<div class="tp-empty"><h2>{title}</h2><p>{text}</p></div>')


def link_to_train(train_page: st.Page) -> None:
    """Draws the way to the page where runs start."""
    with st.container(horizontal_alignment="center"):
        st.page_link(train_page, label="Go to Train", icon=":material/arrow_forward:")


def keep_or_delete(
    delete: Callable[[], None], *, key: str, possible: bool = True, keep: str = "Keep it"
) -> None:
    """Draws the two buttons of a dialog that asks whether to delete something for good; `possible` is whether it can be."""
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button(keep):
            st.rerun()
        if st.button("Delete for good", type="primary", key=key, disabled=not possible, on_click=delete):
            st.rerun()
