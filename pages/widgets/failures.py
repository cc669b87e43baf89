"""What can go wrong with a run, for the reference: every failure that the diagnosis finds, and one that cannot happen here."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pages.widgets.text import escape_html
from trainer.diagnosis import IMPOSSIBLE, rules


def failures() -> None:
    """Draws the list, closed at first."""
    with st.expander("Failures that the diagnosis finds in a run's curves", icon=":material/troubleshoot:"):
        st.html(_list({rule.title: rule.help for rule in rules().values()}))
        st.html('<h3 class="tp-title">What cannot happen here</h3>' + _list(IMPOSSIBLE))


def _list(entries: Mapping[str, str]) -> str:
    pairs = "".join(
        f"<dt>{escape_html(name)}</dt><dd>{escape_html(text)}</dd>" for name, text in entries.items()
    )
    return f'<dl class="tp-failures">{pairs}</dl>'
