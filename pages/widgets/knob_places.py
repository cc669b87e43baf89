"""What the sidebar draws its knobs into: the groups, or what a search finds.

Folded groups hold most of the controls, and drawing them would delay a tab's first paint. So its first script run leaves out
the groups in which nothing is off its default: neither the values nor the address need their controls. The second run, which
the browser asks for once the charts stand (see `frame`), draws them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from pages.widgets.knob_groups import GROUPS, OPEN, found_by, group_label, home, names_by_group
from pages.widgets.markup import waiting
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
    """Without those that wait for the next script run."""
    found: Mapping[str, Any] = field(default_factory=dict)
    query: str = ""

    def of(self, key: str) -> Any | None:
        """Returns the place of a key's control, None where it is not drawn yet and has the value in `known`."""
        return self.found.get(entry_of(key)) or self.groups.get(home(key, self.known))

    def of_switch(self, family: Family) -> Any | None:
        """Returns the place of a family's toggle, likewise."""
        return self.found.get(family.name) or self.groups.get(family.group)


def draw_places(known: Mapping[str, Any], changed: Counter[str], *, first: bool) -> Places:
    """Draws the search field, and under it the groups or what the search finds; in a `first` run, the unchanged groups wait."""
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
            folded = st.expander(group_label(title, changed[group]), key=f"group-{group}")
            if first and not changed[group]:
                folded.html(waiting("Drawing these knobs…"))
            else:
                groups[group] = folded
    return Places(known, groups)


def _count(found: int, query: str) -> str:
    if not found:
        return f'<p class="tp-quiet" role="status">No knob matches “{escape_html(shorten(query, 30))}”.</p>'
    return f'<p class="tp-quiet" role="status">{found} {"knob" if found == 1 else "knobs"} found</p>'
