"""Bookmarks: what a space's list of runs shows, under a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from trainer.store.access import Access
from trainer.store.database import StoreError, tick
from trainer.store.runs import bounded
from trainer.store.schema import bookmarks

MAX_BOOKMARKS: Final = 50


class BookmarkStore(Access):
    """Each space's bookmarks, by name; without a space, those of the private one of whoever asks."""

    def save_bookmark(self, owner: str, name: str, shows: Mapping[str, Any]) -> None:
        """Adds a bookmark; one of that name is replaced. Raises StoreError for no name, and for one too many."""
        if not (name := bounded("name", name.strip())):
            raise StoreError("The bookmark has no name; give it one.")
        with self.writing() as connection:
            tick(connection)
            space = self.target(connection, owner)
            connection.execute(sa.delete(bookmarks).where(_of(space), bookmarks.c.name == name))
            count = connection.execute(sa.select(sa.func.count()).where(_of(space))).scalar_one()
            if count >= MAX_BOOKMARKS:
                raise StoreError(f"There are {count} bookmarks, the most that are kept. Delete one first.")
            row = {"owner": owner, "space": space, "name": name, "shows": dict(shows)}
            connection.execute(sa.insert(bookmarks), row)

    def bookmarks(self, owner: str) -> dict[str, dict[str, Any]]:
        """Returns what each bookmark shows, by name."""
        own = sa.select(bookmarks.c.name, bookmarks.c.shows).where(
            _of(self.space or owner), self.visible(bookmarks)
        )
        statement = own.order_by(bookmarks.c.name)
        with self.reading() as connection:
            return {row.name: row.shows for row in connection.execute(statement)}

    def delete_bookmark(self, owner: str, name: str) -> None:
        """Deletes a bookmark, if there is one of that name."""
        with self.writing() as connection:
            tick(connection)
            space = self.target(connection, owner)
            connection.execute(sa.delete(bookmarks).where(_of(space), bookmarks.c.name == name))


def _of(space: str) -> sa.ColumnElement[bool]:
    return bookmarks.c.space == space
