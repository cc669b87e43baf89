"""How far people are with lessons: in each space, an item at a time."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from trainer.store.access import Access
from trainer.store.database import StoreError, tick
from trainer.store.schema import lesson_progress

MAX_NAME: Final = 100
MAX_ITEMS: Final = 200
"""Of one person's lesson in one space."""


class LessonStore(Access):
    """Each person's progress, by lesson and item, such as the answer to its first question. It belongs to the person and to the
    space in which they learn; without a space, to their private one."""

    def save_progress(self, owner: str, lesson: str, item: str, value: Any) -> None:
        """Keeps an item; what it was before is replaced. Raises StoreError for a name too long, and for one item too many."""
        if max(len(lesson), len(item)) > MAX_NAME:
            raise StoreError(f"The names of lessons and their items have at most {MAX_NAME} characters.")
        with self.writing() as connection:
            tick(connection)
            mine = _of(self.target(connection, owner), owner, lesson)
            connection.execute(sa.delete(lesson_progress).where(*mine, lesson_progress.c.item == item))
            count = connection.execute(sa.select(sa.func.count()).where(*mine)).scalar_one()
            if count >= MAX_ITEMS:
                raise StoreError(
                    f"There are {count} items of this lesson, the most that are kept. Start it over."
                )
            row = {
                "person": owner,
                "space": self.space or owner,
                "lesson": lesson,
                "item": item,
                "value": value,
            }
            connection.execute(sa.insert(lesson_progress), row)

    def forget_progress(self, owner: str, lesson: str) -> None:
        """Deletes all items of a lesson. The runs stay."""
        with self.writing() as connection:
            tick(connection)
            connection.execute(
                sa.delete(lesson_progress).where(*_of(self.target(connection, owner), owner, lesson))
            )

    def lesson_progress(self, owner: str) -> dict[str, dict[str, Any]]:
        """Returns the values by lesson and item."""
        statement = sa.select(lesson_progress).where(
            lesson_progress.c.space == (self.space or owner),
            lesson_progress.c.person == owner,
            sa.true() if self.sees_all else lesson_progress.c.person == self.person,
            self.visible(lesson_progress),
        )
        found: dict[str, dict[str, Any]] = {}
        with self.reading() as connection:
            for row in connection.execute(statement):
                found.setdefault(row.lesson, {})[row.item] = row.value
        return found


def _of(space: str, person: str, lesson: str) -> tuple[sa.ColumnElement[bool], ...]:
    table = lesson_progress.c
    return table.space == space, table.person == person, table.lesson == lesson
