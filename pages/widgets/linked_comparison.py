"""The comparison that the address names (`?comparison=7`), so that a link can lead to one."""

from __future__ import annotations

import streamlit as st

PARAMETER = "comparison"


def linked_comparison() -> int | None:
    """Returns the id in the address, or None where there is none."""
    named = str(st.query_params.get(PARAMETER, ""))
    return int(named) if named.isascii() and named.isdecimal() and len(named) < 12 else None


def link_to_comparison(comparison_id: int | None) -> None:
    """Puts a comparison into the address, or removes what it names."""
    if comparison_id is None:
        st.query_params.pop(PARAMETER, None)
    else:
        st.query_params[PARAMETER] = str(comparison_id)
