"""The visitor's comparisons, newest first, each with its verdicts and where it stands."""

from __future__ import annotations

from typing import Final

import streamlit as st

from pages.widgets.linked_comparison import link_to_comparison
from pages.widgets.page_context import PageContext
from pages.widgets.text import escape_html
from trainer.comparison.analysis import Analysis, analyse

SHOWN: Final = 20
"""Comparisons that are listed before the visitor asks for more."""


def comparison_list(context: PageContext) -> None:
    """Draws a card for each comparison."""
    found = context.comparisons()
    if not found:
        return
    st.html('<h2 class="tp-title">Your comparisons</h2>')
    shown = found if st.session_state.get("comparisons-all") else found[:SHOWN]
    for one in shown:
        with st.container(border=True, key=f"comparison-{one.id}", gap="small"):
            st.html(_card(analyse(context.store, one.id)))
            st.button(
                "Open",
                key=f"open-comparison-{one.id}",
                icon=":material/open_in_full:",
                on_click=link_to_comparison,
                args=(one.id,),
            )
    if len(found) > len(shown):
        st.button(f"Show all {len(found)}", key="comparisons-all")


def _card(found: Analysis) -> str:
    title = found.comparison.title or f"Comparison {found.comparison.id}"
    verdicts = "".join(f"<li>{escape_html(arm.sentence)}</li>" for arm in found.arms[1:5])
    more = f"<li>… and {len(found.arms) - 5} more arms</li>" if len(found.arms) > 5 else ""
    return (
        f'<h3 class="tp-title">{escape_html(title)}</h3>'
        f'<p class="tp-quiet">{found.over} of {found.total} runs over, {len(found.design.seeds)} seeds</p>'
        f'<ul class="tp-list">{verdicts}{more}</ul>'
    )
