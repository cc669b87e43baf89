"""What the shell passes to each page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from pages.widgets.knobs import Knobs
from trainer.spaces import COMMAND_LINE, Owned, Roles, Space, refusal
from trainer.store import Comparison, Run, Store


@dataclass(frozen=True)
class PageContext:
    """The store as the visitor may see it, the visitor's id, the space that they are in, their roles and the shared spaces by
    title, the sidebar's configuration, and the pages that others link to."""

    store: Store
    owner: str
    space: str
    roles: Roles
    shared: Sequence[Space]
    knobs: Knobs
    train_page: st.Page
    comparisons_page: st.Page
    health_page: st.Page
    data_page: st.Page
    runs_page: st.Page
    spaces_page: st.Page

    @property
    def spaces(self) -> tuple[str, ...]:
        """The spaces whose things are listed: beside a visitor's own ones stand those of the command line."""
        return (self.space, COMMAND_LINE) if self.space == self.owner else (self.space,)

    @property
    def pages(self) -> tuple[st.Page, ...]:
        """The pages that links lead to."""
        return (
            self.train_page,
            self.comparisons_page,
            self.health_page,
            self.data_page,
            self.runs_page,
            self.spaces_page,
        )

    def refusal(self, thing: Owned, kind: str = "run") -> str | None:
        """Returns why the visitor may not change a run or another `kind` of thing, as a sentence; None where they may."""
        return refusal(thing, self.owner, self.roles, kind)

    def names(self) -> dict[str, str]:
        """Returns the names of the members of a shared space, by their ids; in a private one there are none."""
        if self.space == self.owner:
            return {}
        return {one.person: one.name for one in self.store.memberships(self.space, by=self.owner)}

    def runs(self, archived: bool | None = False) -> list[Run]:
        """Returns the runs that are listed, newest first; `archived` None for all of them."""
        return self.store.runs(self.spaces, archived)

    def comparisons(self, archived: bool | None = False) -> list[Comparison]:
        """Returns the comparisons that are listed, newest first; `archived` None for all of them."""
        return self.store.comparisons(self.spaces, archived)
