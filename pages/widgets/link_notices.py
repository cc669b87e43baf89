"""What a link asked for in vain. It stays on the page until it is dismissed: a page may be drawn again before it is read."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.widgets.markup import warning

_KEY = "link-notices:sentences"


def note(sentences: Sequence[str]) -> None:
    """Adds `sentences`, each once. They are drawn from the script's next run on."""
    st.session_state[_KEY] = list(dict.fromkeys([*st.session_state.get(_KEY, []), *sentences]))


def dismiss() -> None:
    """Removes all of them. For a button's `on_click`."""
    st.session_state.pop(_KEY, None)


def show_link_notices() -> None:
    """Draws them, until they are dismissed."""
    sentences = st.session_state.get(_KEY)
    if not sentences:
        return
    with st.container(key="link-notices", horizontal=True, vertical_alignment="center"):
        st.html(warning(*sentences), width="stretch")
        st.button("Dismiss", key="dismiss-notices", type="tertiary", on_click=dismiss)
