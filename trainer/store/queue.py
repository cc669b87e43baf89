"""Whose turn it may be: the first queued run of each owner, found without reading the queue."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import sqlalchemy as sa

from trainer.lifecycle.states import RunState
from trainer.store.database import Database
from trainer.store.schema import runs


class QueuedRun(NamedTuple):
    """As much of a queued run as it takes to decide whose turn it is."""

    id: int
    owner: str
    place: int


class QueueStore(Database):
    """Reads the queue for the supervisor."""

    def first_in_line(self, excluded: Collection[int] = ()) -> list[QueuedRun]:
        """Returns the first queued run of each owner, leaving out those with an id in `excluded`. The cost is that of the
        owners, not of the queue."""
        with self.reading() as connection:
            found = connection.execute(_FIRST_IN_LINE, {"excluded": list(excluded)})
            return [QueuedRun(*row) for row in found]


def _first_in_line() -> sa.Select[Any]:
    """The owners are found one after another in the index, each as the next one up, and so is the first run of each."""
    waiting = runs.c.status == RunState.QUEUED
    owners = sa.select(sa.func.min(runs.c.owner).label("owner")).where(waiting).cte("owners", recursive=True)
    following = sa.select(sa.func.min(runs.c.owner)).where(waiting, runs.c.owner > owners.c.owner)
    owners = owners.union_all(
        sa.select(following.scalar_subquery()).where(owners.c.owner.is_not(None)).select_from(owners)
    )
    one = runs.alias("one")
    first = (
        sa.select(one.c.id)
        .where(one.c.status == RunState.QUEUED, one.c.owner == owners.c.owner)
        .where(one.c.id.not_in(sa.bindparam("excluded", expanding=True)))
        .order_by(one.c.place)
        .limit(sa.literal_column("1"))
    )
    return sa.select(runs.c.id, runs.c.owner, runs.c.place).join(owners, runs.c.id == first.scalar_subquery())


_FIRST_IN_LINE = _first_in_line()
