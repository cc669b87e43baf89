"""The visitor's comparisons, newest first, each with its verdicts and where it stands."""

from __future__ import annotations

from typing import Final

import streamlit as st

from pages.widgets.comparison_filter import filtered
from pages.widgets.linked_comparison import link_to_comparison
from pages.widgets.page_context import PageContext
from pages.widgets.text import escape_html
from trainer.comparison.analysis import Analysis, analyse
from trainer.comparison.search.analysis import Found, changes_of, read_search
from trainer.comparison.verdicts import amount

SHOWN: Final = 20
"""Comparisons that are listed before the visitor asks for more."""
MAX_VERDICTS: Final = 4


def comparison_list(context: PageContext) -> None:
    """Draws a card for each comparison."""
    known = context.comparisons(archived=None)
    if not known:
        return
    st.html('<h2 class="tp-title">Your comparisons</h2>')
    found = filtered(context, known)
    shown = found if st.session_state.get("comparisons-all") else found[:SHOWN]
    for one in shown:
        with st.container(border=True, key=f"comparison-{one.id}", gap="small"):
            if one.search:
                st.html(_search_card(read_search(context.store, one.id)))
            else:
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


def _search_card(found: Found) -> str:
    best = ""
    if found.best and found.best.value is not None:
        value = f"{found.measure.label} {amount(found.best.value, found.measure)}"
        best = f'<ul class="tp-list"><li>{escape_html(f"Best: {changes_of(found.best, found)}, {value}")}</li></ul>'
    return (
        f'<h3 class="tp-title">{escape_html(found.comparison.title)}</h3>'
        f'<p class="tp-quiet">{escape_html(found.in_words)}</p>{best}'
    )


def _card(found: Analysis) -> str:
    title = found.comparison.title or f"Comparison {found.comparison.id}"
    said = found.sentences[:1] if found.design.studies_noise else found.sentences
    verdicts = "".join(f"<li>{escape_html(one)}</li>" for one in said[:MAX_VERDICTS])
    tags = "".join(f" · {escape_html(tag)}" for tag in found.comparison.tags)
    left_out = len(said) - MAX_VERDICTS
    more = f"<li>… and {left_out} more</li>" if left_out > 0 else ""
    return (
        f'<h3 class="tp-title">{escape_html(title)}</h3>'
        f'<p class="tp-quiet">{found.over} of {found.total} runs over, {len(found.design.seeds)} seeds{tags}</p>'
        f'<ul class="tp-list">{verdicts}{more}</ul>'
    )
