"""Changes of a run's hot knobs: each is requested once, answered by the run's worker, and kept with the step that it began at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.config import ConfigError, RunConfig
from trainer.lifecycle.hot_knobs import (
    MAX_CHANGES,
    KnobChange,
    changed_in_training,
    newest_config,
    values_of,
)
from trainer.lifecycle.requests import Request, RequestKind
from trainer.store.access import Access
from trainer.store.database import StoreError, tick
from trainer.store.runs import Run, own_run, update_run
from trainer.store.schema import knob_changes, members, runs


class KnobChangeStore(Access):
    """Requests changes and reads them; `AttemptStore.record` writes at which step they were applied."""

    def change_knobs(self, run_id: int, values: Mapping[str, Any], *, by: str) -> KnobChange:
        """Requests new values, by flat key, of a run that is under way. Its worker applies them between two steps, each change
        after those before it. Raises StoreError for a run that cannot change, and ConfigError for values that it cannot train
        with after all changes that were requested before."""
        with self.writing() as connection:
            version = tick(connection)
            run = own_run(connection, run_id, by)
            _require_changeable(connection, run)
            earlier = _changes(connection, [run_id])
            if len(earlier) >= MAX_CHANGES:
                raise StoreError(
                    f"The knobs of this run have changed {MAX_CHANGES:,} times, the most for one run. Start a new run."
                )
            before = newest_config(RunConfig.parse(run.config), (change for _, change in earlier))
            asked = values_of(before, changed_in_training(before, values))
            change = KnobChange(len(earlier) + 1, asked, datetime.now(UTC))
            add_changes(connection, run_id, by, [change])
            update_run(connection, run_id, version)
            return change

    def change_refusal(self, run: Run) -> str:
        """Returns why the knobs of a run cannot change, as a sentence; empty where they can."""
        try:
            with self.reading() as connection:
                _require_changeable(connection, run)
        except (StoreError, ConfigError) as error:
            return str(error)
        return ""

    def knob_changes(self, run_id: int) -> list[KnobChange]:
        """Returns a run's changes in the order of their requests, those that wait at the end."""
        return self.knob_changes_of([run_id])[run_id]

    def knob_changes_of(self, run_ids: Collection[int]) -> dict[int, list[KnobChange]]:
        """Returns the changes of several runs by run."""
        found: dict[int, list[KnobChange]] = defaultdict(list)
        with self.reading() as connection:
            self.require_visible(connection, runs, *run_ids)
            for run_id, change in _changes(connection, run_ids):
                found[run_id].append(change)
        return found


def next_change(connection: Connection, run_id: int) -> Request | None:
    """Returns a run's oldest change that waits, as its worker gets it."""
    row = connection.execute(_NEXT, {"run": run_id}).first()
    return None if row is None else Request(RequestKind.CHANGE, {"number": row[0], "values": row[1]})


def record_applied(connection: Connection, run_id: int, handled: Iterable[Request]) -> None:
    """Notes at which steps a worker has applied changes; for one that an earlier attempt has applied, that step counts."""
    for request in handled:
        if request.kind is RequestKind.CHANGE:
            values = {"run": run_id, "change": request.payload["number"], "at": request.payload["step"]}
            if connection.execute(_APPLY, values).rowcount:
                counted = sa.update(runs).where(runs.c.id == run_id).values(changes=runs.c.changes + 1)
                connection.execute(counted)


def add_changes(connection: Connection, run_id: int, by: str, changes: Sequence[KnobChange]) -> None:
    """Adds changes to a run."""
    for change in changes:
        row = {"run_id": run_id, "number": change.number, "requested_by": by, "step": change.step}
        values = {"requested": change.requested, "knobs": dict(change.values)}
        connection.execute(sa.insert(knob_changes), row | values)


def _require_changeable(connection: Connection, run: Run) -> None:
    """Raises StoreError for a run whose knobs cannot change."""
    if run.is_over:
        raise StoreError(
            f"This run is {run.status}, so its knobs stay as they are. Start a new run with its knobs instead."
        )
    if connection.execute(sa.select(members.c.arm).where(members.c.run_id == run.id)).first():
        raise StoreError(
            "This run belongs to a comparison, whose arms must stay as they are. Start a run of its own with these knobs."
        )
    if RunConfig.from_stored(run.config) is None:
        raise ConfigError("The run's knobs were set in another version and cannot change here.")


def _changes(connection: Connection, run_ids: Collection[int]) -> list[tuple[int, KnobChange]]:
    rows = connection.execute(_OF_RUNS, {"runs": list(run_ids)})
    return [(row.run_id, KnobChange(row.number, row.knobs, row.requested, row.step)) for row in rows]


_OF_RUNS = (
    sa.select(
        knob_changes.c.run_id,
        knob_changes.c.number,
        knob_changes.c.knobs,
        knob_changes.c.requested,
        knob_changes.c.step,
    )
    .where(knob_changes.c.run_id.in_(sa.bindparam("runs", expanding=True)))
    .order_by(knob_changes.c.run_id, knob_changes.c.number)
)
_NEXT = (
    sa.select(knob_changes.c.number, knob_changes.c.knobs)
    .where(knob_changes.c.run_id == sa.bindparam("run"), knob_changes.c.step.is_(None))
    .order_by(knob_changes.c.number)
    .limit(sa.literal_column("1"))
)
_APPLY = (
    sa.update(knob_changes)
    .where(
        knob_changes.c.number == sa.bindparam("change"),
        knob_changes.c.run_id == sa.bindparam("run"),
        knob_changes.c.step.is_(None),
    )
    .values(step=sa.bindparam("at"))
)
