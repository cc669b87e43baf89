"""What a link names that is not listed here: in another space of the visitor's, or opened to them by the link's key."""

from __future__ import annotations

from typing import TypeVar

import streamlit as st

from pages.widgets.page_context import PageContext
from pages.widgets.space_choice import enter
from trainer.store import Comparison, Run, StoreError

Thing = TypeVar("Thing", Run, Comparison)


def run_elsewhere(context: PageContext, named: str | None) -> Run | None:
    """Returns a run that the visitor may look at though it is in none of their spaces; None where they may not."""
    if named is None or not (named.isascii() and named.isdecimal() and len(named) < 12):
        return None
    try:
        return _follow(context, context.store.run(int(named)))
    except StoreError:
        return None


def comparison_elsewhere(context: PageContext, number: int) -> Comparison | None:
    """Returns a comparison as `run_elsewhere` returns a run."""
    try:
        return _follow(context, context.store.comparison(number))
    except StoreError:
        return None


def _follow(context: PageContext, thing: Thing) -> Thing:
    """Returns the thing; where it is in a space of the visitor's, goes there instead, to draw it as the page draws all."""
    if thing.space in context.roles and thing.space not in context.spaces:
        enter(None if thing.space == context.owner else thing.space)
        st.rerun()
    return thing
