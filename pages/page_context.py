"""What the shell hands to each page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import streamlit as st

from pages.widgets.knobs import Knobs
from trainer.store import COMMAND_LINE, Run, Store


@dataclass(frozen=True)
class Frame:
    """The store, whose page it is, what the sidebar says, and the pages to start at, to look inside runs and to add data."""

    store: Store
    owner: str
    knobs: Knobs
    home: st.Page
    health: st.Page
    data: st.Page

    def runs(self, archived: bool | None = False) -> list[Run]:
        """The visitor's runs and those of the command line, newest first."""
        return self.store.runs((self.owner, COMMAND_LINE), archived)


def frame() -> Frame:
    """The frame of the page that is being drawn."""
    return cast(Frame, st.session_state["frame"])
