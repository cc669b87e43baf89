"""The space that a visitor is in: chosen in the sidebar once they are a member of a shared one, and kept in the address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import streamlit as st

from pages.widgets import link_notices
from pages.widgets.text import shorten
from trainer.spaces import Roles, Space
from trainer.store import Store

SPACE, KEY = "space", "key"
"""Parameters of the address: the space, and the key of a link to something that everybody may look at."""
PRIVATE: Final = "Private"
_CHOICE, _NEXT, _KEYS, _READ = "space-choice", "space-next", "link-keys", "space-read"
_MAX_KEYS: Final = 20


class Place(NamedTuple):
    """Where a visitor is: the store in their hands, the id of the space, their role in each, and the shared ones by title."""

    store: Store
    space: str
    roles: Roles
    shared: Sequence[Space]


def choose_space(store: Store, person: str, address: str) -> Place:
    """Draws the choice, where there is one, and returns the place of a person who comes from an address."""
    shared = {one.id: one for one in store.spaces(person)}
    if _NEXT in st.session_state:
        st.session_state[_CHOICE] = st.session_state.pop(_NEXT)
    else:
        _read_address(shared)
    if st.session_state.get(_CHOICE) not in shared:  # nothing chosen, or no member any more
        st.session_state.pop(_CHOICE, None)
    if shared:
        st.selectbox(
            "Space",
            [None, *shared],
            format_func=lambda one: PRIVATE if one is None else shorten(shared[one].title, 40),
            key=_CHOICE,
            on_change=_write_address,
            help="Whose runs, comparisons and files you see, and where new ones go.",
        )
    _write_address()
    chosen = st.session_state.get(_CHOICE) or person
    theirs = store.acting_for(person, chosen, _keys(), address)
    return Place(theirs, chosen, store.roles(person), list(shared.values()))


def enter(space: str | None) -> None:
    """Goes to a space, or (None) to the private one, in the script's next run."""
    st.session_state[_NEXT] = space


def _read_address(shared: dict[str, Space]) -> None:
    """Follows an address that names another space than the last one did."""
    named = st.query_params.get(SPACE)
    if named is None or named == st.session_state.get(_READ):
        return
    st.session_state[_READ] = named
    if named in shared:
        st.session_state[_CHOICE] = named
    else:
        link_notices.note(
            [
                f"You are not a member of the space {shorten(named, 40)} that this link leads to. "
                "Ask one of its owners for an invitation."
            ]
        )


def _write_address() -> None:
    chosen = st.session_state.get(_CHOICE)
    st.session_state[_READ] = chosen
    if chosen is None:
        st.query_params.pop(SPACE, None)
    elif st.query_params.get(SPACE) != chosen:
        st.query_params[SPACE] = chosen


def _keys() -> list[str]:
    """Returns the keys of the links that this tab has followed, newest last."""
    kept: list[str] = st.session_state.setdefault(_KEYS, [])
    key = st.query_params.get(KEY)
    if key and key not in kept:
        kept[:] = [*kept, key[:100]][-_MAX_KEYS:]
    return kept
