"""What the sidebar draws its knobs into: the groups, or what a search finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from pages.widgets.knob_groups import GROUPS, OPEN, found_by, group_label, home, names_by_group
from pages.widgets.text import escape_html, shorten
from trainer.config import entry_of
from trainer.registry import Family

SEARCH = "knob-search"


@dataclass(frozen=True)
class Places:
    """The containers that knobs are drawn into: their groups, or while somebody searches, what is found and what is not."""

    known: Mapping[str, Any]
    """Flat values as the widgets are about to show them: what is drawn where depends on the model and on techniques."""
    groups: Mapping[str, Any]
    found: Mapping[str, Any] = field(default_factory=dict)
    query: str = ""

    def of(self, key: str) -> Any:
        """Returns the place of a key's control."""
        name = entry_of(key)
        return self.found[name] if name in self.found else self.groups[home(key, self.known)]

    def of_switch(self, family: Family) -> Any:
        """Returns the place of a family's toggle."""
        return self.found[family.name] if family.name in self.found else self.groups[family.group]


def draw_places(known: Mapping[str, Any], changed: Counter[str]) -> Places:
    """Draws the search field, and under it the groups or what the search finds."""
    query = st.text_input(
        "Find a knob",
        key=SEARCH,
        type="search",
        live=True,
        placeholder="Find a knob",
        label_visibility="collapsed",
        max_chars=60,
    )
    if query and query.strip():
        names = found_by(query)
        st.html(_count(len(names), query))
        found = {name: st.container(key=f"found-{name}") for name in names}
        hidden = st.container(key="knobs-not-found")  # drawn all the same, so that their values last
        return Places(known, dict.fromkeys(names_by_group(), hidden), found, query)
    groups = {}
    for group, names in names_by_group().items():
        if group == OPEN:
            groups[group] = st.container(key=f"group-{group}")
        elif names:
            title = GROUPS.get(group, group.capitalize())
            groups[group] = st.expander(group_label(title, changed[group]), key=f"group-{group}")
    return Places(known, groups)


def _count(found: int, query: str) -> str:
    if not found:
        return f'<p class="tp-quiet" role="status">No knob matches “{escape_html(shorten(query, 30))}”.</p>'
    return f'<p class="tp-quiet" role="status">{found} {"knob" if found == 1 else "knobs"} found</p>'
