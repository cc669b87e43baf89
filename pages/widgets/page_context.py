"""What the shell passes to each page."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.widgets.knobs import Knobs
from trainer.store import COMMAND_LINE, Comparison, Run, Store


@dataclass(frozen=True)
class PageContext:
    """The store, the visitor's id, the sidebar's configuration, and the pages that others link to."""

    store: Store
    owner: str
    knobs: Knobs
    train_page: st.Page
    comparisons_page: st.Page
    health_page: st.Page
    data_page: st.Page
    runs_page: st.Page

    def runs(self, archived: bool | None = False) -> list[Run]:
        """Returns the visitor's runs and those of the command line, newest first; `archived` None for all of them."""
        return self.store.runs((self.owner, COMMAND_LINE), archived)

    def comparisons(self, archived: bool | None = False) -> list[Comparison]:
        """Returns the visitor's comparisons and those of the command line, newest first; `archived` None for all of them."""
        return self.store.comparisons((self.owner, COMMAND_LINE), archived)
