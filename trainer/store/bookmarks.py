"""Bookmarks: what a visitor's list of runs shows, under a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from trainer.store.database import Database, StoreError, tick
from trainer.store.runs import bounded
from trainer.store.schema import bookmarks

MAX_BOOKMARKS: Final = 50


class BookmarkStore(Database):
    """Each owner's bookmarks, by name."""

    def save_bookmark(self, owner: str, name: str, shows: Mapping[str, Any]) -> None:
        """Adds a bookmark; one of that name is replaced. Raises StoreError for no name, and for one too many."""
        if not (name := bounded("name", name.strip())):
            raise StoreError("The bookmark has no name; give it one.")
        with self.writing() as connection:
            tick(connection)
            connection.execute(sa.delete(bookmarks).where(_of(owner), bookmarks.c.name == name))
            count = connection.execute(sa.select(sa.func.count()).where(_of(owner))).scalar_one()
            if count >= MAX_BOOKMARKS:
                raise StoreError(f"You have {count} bookmarks, the most that are kept. Delete one first.")
            connection.execute(sa.insert(bookmarks), {"owner": owner, "name": name, "shows": dict(shows)})

    def bookmarks(self, owner: str) -> dict[str, dict[str, Any]]:
        """Returns what each of the owner's bookmarks shows, by name."""
        statement = (
            sa.select(bookmarks.c.name, bookmarks.c.shows).where(_of(owner)).order_by(bookmarks.c.name)
        )
        with self.reading() as connection:
            return {row.name: row.shows for row in connection.execute(statement)}

    def delete_bookmark(self, owner: str, name: str) -> None:
        """Deletes one of the owner's bookmarks, if there is one of that name."""
        with self.writing() as connection:
            tick(connection)
            connection.execute(sa.delete(bookmarks).where(_of(owner), bookmarks.c.name == name))


def _of(owner: str) -> sa.ColumnElement[bool]:
    return bookmarks.c.owner == owner
