"""Comparisons as people see them: create, add seeds, list, rename, stop, delete. What they mean is in trainer/comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState, SearchState
from trainer.spaces import refusal
from trainer.spaces.limits import new_runs
from trainer.store.access import MAX_ID, roles_of
from trainer.store.database import StoreError, tick
from trainer.store.runs import (
    LIVE,
    RUN_COLUMNS,
    Run,
    RunStore,
    bounded,
    bounded_tags,
    clean,
    delete_run,
    insert_run,
    new_run,
    request_run,
    update_run,
)
from trainer.store.schema import comparisons, members, runs
from trainer.store.studies import delete_study


@dataclass(frozen=True)
class Comparison:
    """One comparison as the store knows it; `design` in plain values. `search` is the state of one that is a search."""

    id: int
    owner: str
    space: str
    title: str
    notes: str
    archived: bool
    design: dict[str, Any]
    created: datetime
    version: int
    search: SearchState | None = None
    error: str | None = None
    tags: Sequence[str] = ()


class Member(NamedTuple):
    """A run of a comparison, and as what it belongs to it."""

    arm: int
    replicate: int
    run: Run


class Planned(NamedTuple):
    """A run that a comparison is to have."""

    arm: int
    replicate: int
    name: str
    config: Mapping[str, Any]


class ComparisonStore(RunStore):
    """What people do with comparisons. Each method is one transaction."""

    def create_comparison(
        self,
        design: Mapping[str, Any],
        planned: Sequence[Planned],
        owner: str,
        title: str = "",
        notes: str = "",
    ) -> int:
        """Adds a comparison with its runs, all queued, and returns its id. Raises StoreError, and adds none, where there is no
        room for all of them."""
        with self.writing() as connection:
            tick(connection)  # before anything is counted
            return self.add_comparison(connection, design, planned, owner, title, notes)

    def add_comparison(
        self,
        connection: Connection,
        design: Mapping[str, Any],
        planned: Sequence[Planned],
        owner: str,
        title: str = "",
        notes: str = "",
        search: SearchState | None = None,
    ) -> int:
        """Adds a comparison inside a transaction; see `create_comparison`. `search` is the state of one that is a search."""
        space = self.target(connection, owner)
        comparison_id = insert_comparison(
            connection, owner, space, design, title, notes, datetime.now(UTC), search=search
        )
        self.add_members(connection, comparison_id, planned, owner, space)
        return comparison_id

    def extend_comparison(
        self, comparison_id: int, design: Mapping[str, Any], planned: Sequence[Planned], *, by: str
    ) -> None:
        """Replaces the design by one with more seeds, and queues their runs. Raises StoreError when somebody was faster."""
        with self.writing() as connection:
            version = tick(connection)
            comparison = own_comparison(connection, comparison_id, by)
            if min(one.replicate for one in planned) != len(comparison.design["seeds"]):
                raise StoreError(
                    "This comparison has just got more seeds. Look again, and add more if it needs them."
                )
            update_comparison(connection, comparison_id, version, design=dict(design))
            self.add_members(connection, comparison_id, planned, comparison.owner, comparison.space, by=by)

    def comparison(self, comparison_id: int) -> Comparison:
        """Returns one comparison. Raises StoreError when there is none with this id."""
        with self.reading() as connection:
            self.require_visible(connection, comparisons, comparison_id)
            return get_comparison(connection, comparison_id)

    def comparisons(
        self, among: Iterable[str] | None = None, archived: bool | None = False
    ) -> list[Comparison]:
        """Returns comparisons, newest first: of some spaces or of all; not archived, archived (True), or both (None)."""
        statement = sa.select(*COMPARISON_COLUMNS).where(self.visible(comparisons))
        statement = statement.order_by(comparisons.c.id.desc())
        if among is not None:
            statement = statement.where(comparisons.c.space.in_(list(among)))
        if archived is not None:
            statement = statement.where(comparisons.c.archived == archived)
        with self.reading() as connection:
            return [Comparison(**row._mapping) for row in connection.execute(statement)]

    def comparisons_under_way(self) -> set[int]:
        """Returns the ids of all comparisons some of whose runs are not over."""
        statement = sa.select(members.c.comparison_id).distinct().join(runs, runs.c.id == members.c.run_id)
        with self.reading() as connection:
            return set(
                connection.execute(statement.where(runs.c.status.in_(LIVE), self.visible(runs))).scalars()
            )

    def members(self, comparison_id: int) -> list[Member]:
        """Returns a comparison's runs, by replicate and then by arm: the order in which they were queued."""
        with self.reading() as connection:
            self.require_visible(connection, comparisons, comparison_id)
            return members_of(connection, comparison_id)

    def request_all(self, comparison_id: int, kind: RequestKind, *, by: str) -> int:
        """Requests a stop or a pause of every run that is not over, and returns how many there were."""
        with self.writing() as connection:
            version = tick(connection)
            own_comparison(connection, comparison_id, by)
            live = [one.run for one in members_of(connection, comparison_id) if not one.run.is_over]
            for run in live:
                request_run(connection, run, kind, version)
            return len(live)

    def resume_all(self, comparison_id: int, *, by: str) -> int:
        """Queues every run that is paused or was stopped, and returns how many there were."""
        with self.writing() as connection:
            version = tick(connection)
            own_comparison(connection, comparison_id, by)
            waiting = [one.run for one in members_of(connection, comparison_id) if one.run.status in _RESUMED]
            return len(self.resume_all_of(connection, waiting, version, by))

    def rename_comparison(self, comparison_id: int, title: str, *, by: str) -> None:
        """Sets the title."""
        self._set_comparison(comparison_id, by, title=bounded("name", title))

    def set_comparison_notes(self, comparison_id: int, notes: str, *, by: str) -> None:
        """Sets the notes."""
        self._set_comparison(comparison_id, by, notes=bounded("notes", notes))

    def set_comparison_tags(self, comparison_id: int, tags: Sequence[str], *, by: str) -> None:
        """Sets the tags."""
        self._set_comparison(comparison_id, by, tags=bounded_tags(tags))

    def archive_comparison(self, comparison_id: int, archived: bool = True, *, by: str) -> None:
        """Hides the comparison and its runs from the usual lists, or (False) shows them again."""
        with self.writing() as connection:
            version = tick(connection)
            own_comparison(connection, comparison_id, by)
            update_comparison(connection, comparison_id, version, archived=archived)
            for one in members_of(connection, comparison_id):
                update_run(connection, one.run.id, version, archived=archived)

    def delete_comparison(self, comparison_id: int, *, by: str) -> list[int]:
        """Deletes the comparison with its runs for good, and returns their ids; `Settings.remove_run_folder` deletes their
        folders. Raises StoreError while one of them trains."""
        with self.writing() as connection:
            version = tick(connection)
            own_comparison(connection, comparison_id, by)
            found = [one.run for one in members_of(connection, comparison_id)]
            for run in found:
                delete_run(connection, run, version)
            connection.execute(sa.delete(comparisons).where(comparisons.c.id == comparison_id))
            delete_study(connection, comparison_id)
            return [run.id for run in found]

    def add_members(
        self,
        connection: Connection,
        comparison_id: int,
        planned: Sequence[Planned],
        owner: str,
        space: str,
        *,
        by: str | None = None,
        address: str | None = None,
    ) -> None:
        """Queues more runs of a comparison inside a transaction. Raises StoreError where there is no room for all of them."""
        wanted = new_runs(len(planned))
        admitted = self.admit(connection, owner, space, wanted, by=by, address=address)
        for one in planned:
            # Each has a version, and so a place in the queue, of its own.
            values = new_run(one.config, owner, space, one.name) | admitted
            run_id = insert_run(connection, values, tick(connection))
            insert_member(connection, comparison_id, run_id, one.arm, one.replicate)

    def _set_comparison(self, comparison_id: int, by: str, **values: Any) -> None:
        with self.writing() as connection:
            version = tick(connection)
            own_comparison(connection, comparison_id, by)
            update_comparison(connection, comparison_id, version, **values)


def insert_comparison(
    connection: Connection,
    owner: str,
    space: str,
    design: Mapping[str, Any],
    title: str,
    notes: str,
    created: datetime,
    tags: Sequence[str] = (),
    search: SearchState | None = None,
) -> int:
    """Adds a comparison without runs inside a transaction, and returns its id."""
    values = {
        "owner": clean(owner),
        "space": clean(space),
        "title": bounded("name", title),
        "notes": bounded("notes", notes),
        "archived": False,
        "design": dict(design),
        "created": created,
        "version": tick(connection),
        "tags": bounded_tags(tags),
        "search": search,
    }
    made = connection.execute(sa.insert(comparisons).returning(comparisons.c.id), values)
    return int(made.scalar_one())


def insert_member(connection: Connection, comparison_id: int, run_id: int, arm: int, replicate: int) -> None:
    """Makes a run one of a comparison's, inside a transaction."""
    values = {"run_id": run_id, "comparison_id": comparison_id, "arm": arm, "replicate": replicate}
    connection.execute(sa.insert(members), values)


def members_of(connection: Connection, comparison_id: int) -> list[Member]:
    """Returns a comparison's runs inside a transaction; see `ComparisonStore.members`."""
    statement = (
        sa.select(members.c.arm, members.c.replicate, *RUN_COLUMNS)
        .join(runs, runs.c.id == members.c.run_id)
        .where(members.c.comparison_id == comparison_id)
        .order_by(members.c.replicate, members.c.arm)
    )
    found: Iterable[Mapping[Any, Any]] = (
        connection.execute(statement).mappings() if comparison_id <= MAX_ID else []
    )
    return [
        Member(row["arm"], row["replicate"], Run(**{column.name: row[column] for column in RUN_COLUMNS}))
        for row in found
    ]


def own_comparison(connection: Connection, comparison_id: int, by: str) -> Comparison:
    """Returns the comparison that `by` asks to change. Raises StoreError when there is none, or they may not."""
    comparison = get_comparison(connection, comparison_id)
    if reason := refusal(comparison, by, roles_of(connection, by), "comparison"):
        raise StoreError(reason)
    return comparison


def get_comparison(connection: Connection, comparison_id: int) -> Comparison:
    """Returns a comparison inside a transaction. Raises StoreError when there is none."""
    known = 0 < comparison_id <= MAX_ID
    statement = sa.select(*COMPARISON_COLUMNS).where(comparisons.c.id == comparison_id)
    row = connection.execute(statement).first() if known else None
    if row is None:
        raise StoreError(f"There is no comparison {comparison_id}.")
    return Comparison(**row._mapping)


def update_comparison(connection: Connection, comparison_id: int, version: int, **values: Any) -> None:
    """Changes columns of a comparison and stamps it with this write's version."""
    connection.execute(
        sa.update(comparisons).where(comparisons.c.id == comparison_id), {"version": version, **values}
    )


COMPARISON_COLUMNS = [comparisons.c[field.name] for field in fields(Comparison)]
_RESUMED = (RunState.PAUSED, RunState.STOPPED)
