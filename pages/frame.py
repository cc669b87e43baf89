"""What the shell hands to each page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import streamlit as st

from pages.widgets.knobs import Knobs
from trainer.store import Store


@dataclass(frozen=True)
class Frame:
    """The store, whose page it is, what the sidebar says, and the page to start at."""

    store: Store
    owner: str
    knobs: Knobs
    home: st.Page


def frame() -> Frame:
    """The frame of the page that is being drawn."""
    return cast(Frame, st.session_state["frame"])
