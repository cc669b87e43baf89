"""Runs that were trained elsewhere, added to this store as they ended there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.lifecycle.hot_knobs import KnobChange
from trainer.spaces.limits import Wanted
from trainer.store import points
from trainer.store.comparisons import insert_comparison, insert_member
from trainer.store.database import tick
from trainer.store.knob_changes import add_changes
from trainer.store.limits import LimitStore
from trainer.store.points import Batch
from trainer.store.runs import ENDED, bounded_tags, clean, next_number
from trainer.store.schema import runs


@dataclass(frozen=True)
class EndedRun:
    """A run that is over. Its `size` in bytes counts as kept by its owner.

    `values`: name, notes, status, config, created, started, ended, progress, results, error, notices, where there are any its
    tags, and of a branch its `parent_step` and `forks`.
    """

    values: Mapping[str, Any]
    batches: Iterable[Batch]
    size: int = 0
    changes: Sequence[KnobChange] = ()


@dataclass(frozen=True)
class ImportedComparison:
    """A comparison from elsewhere. `members` has arm and replicate of each run, in the order of the runs."""

    title: str
    notes: str
    design: Mapping[str, Any]
    created: datetime
    tags: Sequence[str]
    members: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Imported:
    """What was imported: the ids of the runs, and of the comparison that they belong to."""

    runs: list[int]
    comparison: int | None = None


class ImportStore(LimitStore):
    """Imports runs."""

    def import_run(
        self,
        owner: str,
        values: Mapping[str, Any],
        batches: Iterable[Batch],
        size: int = 0,
        changes: Sequence[KnobChange] = (),
    ) -> int:
        """Adds one run and returns its id; see `import_runs`."""
        return self.import_runs(owner, [EndedRun(values, batches, size, changes)]).runs[0]

    def import_runs(
        self, owner: str, runs: Sequence[EndedRun], comparison: ImportedComparison | None = None
    ) -> Imported:
        """Adds runs that are over, with their points and changes of knobs, and the comparison that they belong to, in one
        transaction. Raises ValueError for a run that is not over, and for points that do not fit together; StoreError where there
        is no room for them."""
        size = sum(run.size for run in runs)
        with self.writing() as connection:
            tick(connection)  # before anything is counted
            space = self.target(connection, owner)
            admitted = self.admit(connection, owner, space, Wanted(bytes=size, kept=size))
            found = [_add(connection, clean(owner), space, run, admitted["address"]) for run in runs]
            if comparison is None:
                return Imported(found)
            number = insert_comparison(
                connection,
                owner,
                space,
                comparison.design,
                comparison.title,
                comparison.notes,
                comparison.created,
                comparison.tags,
            )
            for run_id, (arm, replicate) in zip(found, comparison.members.values(), strict=True):
                insert_member(connection, number, run_id, arm, replicate)
            return Imported(found, number)


def _add(connection: Connection, owner: str, space: str, run: EndedRun, address: str) -> int:
    values = run.values
    if values["status"] not in ENDED:
        raise ValueError(f"Only a run that is over can be imported, not one that is {values['status']}.")
    version = tick(connection)
    row = {
        **values,
        **{name: clean(values[name]) for name in ("name", "notes")},
        "error": None if values["error"] is None else clean(values["error"]),
        "notices": [clean(notice) for notice in values["notices"]],
        "number": next_number(connection, space),
        "owner": owner,
        "space": space,
        "archived": False,
        "attempt": 1,
        "beat": 0,
        "version": version,
        "place": version,
        "losses": 0,
        "lost_step": -1,
        "imported_bytes": run.size,
        "kept_bytes": run.size,
        "address": address,
        "changes": len(run.changes),
        "tags": bounded_tags(values.get("tags", ())),
    }
    run_id = int(connection.execute(sa.insert(runs).returning(runs.c.id), row).scalar_one())
    for batch in run.batches:
        points.append(connection, run_id, batch)
    add_changes(connection, run_id, owner, run.changes)
    return run_id
