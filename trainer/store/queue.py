"""Whose turn it may be: the first queued run of each owner, found without reading the queue."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import sqlalchemy as sa

from trainer.lifecycle.states import RunState
from trainer.store.database import Database
from trainer.store.schema import comparisons, members, runs


class QueuedRun(NamedTuple):
    """As much of a queued run as it takes to decide whose turn it is: its `comparison`, and the `launch` that orders what its
    owner has started, the newest last; 0 for the trials of a search, which nobody starts."""

    id: int
    owner: str
    place: int
    comparison: int | None = None
    launch: int = 0


class Replicate(NamedTuple):
    """As much of another run of the same comparison that is not over as it takes to decide whether to train it along."""

    run_id: int
    waits: bool
    same_arm: bool


class QueueStore(Database):
    """Reads the queue for the supervisor and its workers."""

    def replicates(self, run_id: int) -> list[Replicate]:
        """Returns the other runs of a run's comparison that wait or train, in the order of the queue. There are none where the
        comparison asks for the seconds that each run takes, which would not be its own if others trained with it."""
        with self.reading() as connection:
            mine = connection.execute(_MEMBER, {"run": run_id}).first()
            if mine is None or mine.design.get("unit") == "seconds" or mine.design.get("factors"):
                return []
            values = {"comparison": mine.comparison_id, "run": run_id, "states": _UNDER_WAY}
            rows = connection.execute(_REPLICATES, values).all()
        return [Replicate(row.id, row.status is RunState.QUEUED, row.arm == mine.arm) for row in rows]

    def first_in_line(self, excluded: Collection[int] = ()) -> list[QueuedRun]:
        """Returns the first queued run of each owner, leaving out those with an id in `excluded`. The cost is that of the
        owners, not of the queue."""
        with self.reading() as connection:
            found = connection.execute(_FIRST_IN_LINE, {"excluded": list(excluded)})
            return [_queued(row) for row in found]

    def newest_in_line(self, excluded: Collection[int] = ()) -> list[QueuedRun]:
        """Returns the queued run of each owner that belongs to what they have started last: of a comparison, the first in line.
        Owners of nothing but trials of searches are left out."""
        values = {"excluded": list(excluded)}
        with self.reading() as connection:
            newest = [_queued(row) for row in connection.execute(_NEWEST_IN_LINE, values)]
            compared = [run.comparison for run in newest if run.comparison is not None]
            first: dict[int, Any] = {}
            if compared:
                for row in connection.execute(_COMPARED, {**values, "comparisons": compared}):
                    first.setdefault(row.comparison_id, row)
        for place, run in enumerate(newest):
            if run.comparison is not None:
                row = first[run.comparison]
                newest[place] = run._replace(id=row.id, place=row.place)
        return newest


def _queued(row: Any) -> QueuedRun:
    launch = 0 if row.search is not None else row.place
    return QueuedRun(row.id, row.owner, row.place, row.comparison_id, launch)


def _in_line(*, newest: bool) -> sa.Select[Any]:
    """The owners are found one after another in the index, each as the next one up, and so is one run of each."""
    waiting = runs.c.status == RunState.QUEUED
    owners = sa.select(sa.func.min(runs.c.owner).label("owner")).where(waiting).cte("owners", recursive=True)
    following = sa.select(sa.func.min(runs.c.owner)).where(waiting, runs.c.owner > owners.c.owner)
    owners = owners.union_all(
        sa.select(following.scalar_subquery()).where(owners.c.owner.is_not(None)).select_from(owners)
    )
    one = runs.alias("one")
    found = (
        sa.select(one.c.id)
        .where(one.c.status == RunState.QUEUED, one.c.owner == owners.c.owner)
        .where(one.c.id.not_in(sa.bindparam("excluded", expanding=True)))
        .order_by(one.c.place.desc() if newest else one.c.place)
        .limit(sa.literal_column("1"))
    )
    if newest:
        trial = (
            sa.select(members.c.run_id)
            .join(comparisons, comparisons.c.id == members.c.comparison_id)
            .where(members.c.run_id == one.c.id, comparisons.c.search.is_not(None))
        )
        found = found.where(~trial.exists())
    return (
        sa.select(runs.c.id, runs.c.owner, runs.c.place, members.c.comparison_id, comparisons.c.search)
        .select_from(owners)
        .join(runs, runs.c.id == found.scalar_subquery())
        .outerjoin(members, members.c.run_id == runs.c.id)
        .outerjoin(comparisons, comparisons.c.id == members.c.comparison_id)
    )


_FIRST_IN_LINE, _NEWEST_IN_LINE = _in_line(newest=False), _in_line(newest=True)
_COMPARED = (
    sa.select(runs.c.id, runs.c.place, members.c.comparison_id)
    .join(members, members.c.run_id == runs.c.id)
    .where(members.c.comparison_id.in_(sa.bindparam("comparisons", expanding=True)))
    .where(runs.c.status == RunState.QUEUED, runs.c.id.not_in(sa.bindparam("excluded", expanding=True)))
    .order_by(runs.c.place)
)


_UNDER_WAY = (RunState.QUEUED, RunState.RUNNING)
_MEMBER = (
    sa.select(members.c.comparison_id, members.c.arm, comparisons.c.design)
    .join(comparisons, comparisons.c.id == members.c.comparison_id)
    .where(members.c.run_id == sa.bindparam("run"))
)
_REPLICATES = (
    sa.select(runs.c.id, runs.c.status, members.c.arm)
    .join(members, members.c.run_id == runs.c.id)
    .where(members.c.comparison_id == sa.bindparam("comparison"), runs.c.id != sa.bindparam("run"))
    .where(runs.c.status.in_(sa.bindparam("states", expanding=True)))
    .order_by(runs.c.place)
)
