"""The filter of the list of comparisons: by words, kind and state, and archived ones instead of the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import streamlit as st

from pages.widgets.page_context import PageContext
from trainer.comparison.design import EVERYTHING
from trainer.presets import PRESETS
from trainer.store import Comparison

ALL: Final = "All"
KINDS: Final = ("What-if", "Ready-made", "Several techniques", "Search", "Noise study")
STATES: Final = ("Under way", "Over")


def filtered(context: PageContext, found: Sequence[Comparison]) -> list[Comparison]:
    """Draws the filter, and returns the comparisons that it leaves."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="comparisons-filter-bar"):
        text = st.text_input(
            "Filter",
            key="comparisons-filter",
            bind="query-params",
            placeholder="Title, note, tag or arm",
            label_visibility="collapsed",
            icon=":material/search:",
            max_chars=100,
        ).strip()
        kind = _choice("Kind", KINDS, "comparisons-kind")
        state = _choice("State", STATES, "comparisons-state")
        archived = st.toggle(
            "Archived",
            key="comparisons-archived",
            bind="query-params",
            help="Show archived comparisons instead.",
        )
    there = [one for one in found if one.archived == archived]
    kept = matching(there, text, kind, state, context.store.comparisons_under_way())
    if not kept and there:
        st.text("No comparison matches the filter.")
    elif not kept:
        st.text("No archived comparisons." if archived else "All comparisons are archived.")
    return kept


def _choice(label: str, choices: Collection[str], key: str) -> str:
    return st.selectbox(label, [ALL, *choices], key=key, bind="query-params", width=165)


def matching(
    found: Sequence[Comparison], text: str, kind: str, state: str, under_way: Collection[int]
) -> list[Comparison]:
    """Returns the comparisons of a kind and in a state, `ALL` for any, that contain every word of `text` in title, notes, tags,
    kind, number or the names of arms."""
    words = text.casefold().split()
    tests: list[Callable[[Comparison], bool]] = [lambda one: all(word in _searchable(one) for word in words)]
    if kind in KINDS:
        tests.append(lambda one: kind_of(one) == kind)
    if state in STATES:
        tests.append(lambda one: (one.id in under_way) == (state == STATES[0]))
    return [one for one in found if all(test(one) for test in tests)]


def kind_of(comparison: Comparison) -> str:
    """Returns which of `KINDS` a comparison is."""
    design = comparison.design
    arms = _arms(design)
    if comparison.search:
        return "Search"
    if len({arm.get("vary", EVERYTHING) for arm in arms}) > 1:
        return "Noise study"
    if design.get("factors"):
        return "Several techniques"
    names = [arm.get("name") for arm in arms]
    return "Ready-made" if any(names == list(preset.configs()) for preset in PRESETS.values()) else "What-if"


def _searchable(comparison: Comparison) -> str:
    names = [str(arm.get("name", "")) for arm in _arms(comparison.design)]
    space = comparison.design.get("space", {}) if comparison.search else ()
    title = comparison.title or f"Comparison {comparison.id}"
    words = [title, comparison.notes, *comparison.tags, kind_of(comparison), *names, *space]
    return " ".join(words).casefold()


def _arms(design: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    arms: Sequence[Mapping[str, Any]] = design.get("arms", ())
    return arms
