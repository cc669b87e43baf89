"""Moving things from one space to another, and sharing a file with one more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.lifecycle.states import RunState
from trainer.spaces.limits import Wanted
from trainer.store.access import roles_of
from trainer.store.comparisons import ComparisonStore, members_of, own_comparison, update_comparison
from trainer.store.database import StoreError, tick
from trainer.store.limits import UNDER_WAY
from trainer.store.runs import Run, next_number, own_run, update_run
from trainer.store.schema import members, uploads


class MoveStore(ComparisonStore):
    """Each method is one transaction. The space that something goes to is that of the store, see `acting_for`. Whoever asks
    must be allowed to change what is moved, and to add to where it goes; else StoreError is raised."""

    def move_run(self, run_id: int, *, by: str) -> None:
        """Moves a run, with the right to the file that it trains on. It gets the next number there."""
        with self.writing() as connection:
            version = tick(connection)
            run = own_run(connection, run_id, by)
            if connection.execute(sa.select(members.c.arm).where(members.c.run_id == run_id)).first():
                raise StoreError("This run belongs to a comparison. Move the comparison, with all its runs.")
            self._move(connection, [run], by, version)

    def move_comparison(self, comparison_id: int, *, by: str) -> None:
        """Moves a comparison with its runs."""
        with self.writing() as connection:
            version = tick(connection)
            own_comparison(connection, comparison_id, by)
            found = [one.run for one in members_of(connection, comparison_id)]
            space = self._move(connection, found, by, version)
            update_comparison(connection, comparison_id, version, space=space)

    def share_upload(self, digest: str, *, by: str) -> None:
        """Adds a file that `by` may use in another of their spaces to the list of this one."""
        with self.writing() as connection:
            tick(connection)
            self._share(connection, digest, roles_of(connection, by), self.target(connection, by), by)

    def _move(self, connection: Connection, found: Iterable[Run], by: str, version: int) -> str:
        space = self.target(connection, by)
        moved = [run for run in found if run.space != space]
        held = self._held_there(connection, moved, space, by)
        for run in moved:
            if digest := (run.config.get("data") or {}).get("file"):
                self._share(connection, str(digest), [run.space], space, by)
            number = next_number(connection, space)
            taken = {} if run.is_over else held  # one that is over takes up new limits when it is resumed
            update_run(connection, run.id, version, space=space, number=number, **taken)
        return space

    def _held_there(
        self, connection: Connection, moved: Sequence[Run], space: str, by: str
    ) -> dict[str, Any]:
        """Returns the limits that hold for moved runs. Raises StoreError where the space has no room for all of them."""
        if not moved:
            return {}
        wanted = Wanted(
            runs=sum(run.status in UNDER_WAY for run in moved),
            queued=sum(run.status is RunState.QUEUED for run in moved),
            bytes=sum(run.kept_bytes for run in moved),
            moves=True,
        )
        admitted = self.admit(connection, moved[0].owner, space, wanted, by=by)
        return {"limits": admitted["limits"]}

    def _share(
        self, connection: Connection, digest: str, sources: Iterable[str], space: str, by: str
    ) -> None:
        """Adds a file of one of the `sources` to the list of a space, unless it is there."""
        there = (uploads.c.space == space) & (uploads.c.digest == digest)
        if connection.execute(sa.select(uploads.c.id).where(there)).first():
            return
        known = sa.select(uploads.c.name, uploads.c.kind, uploads.c.bytes).where(
            uploads.c.digest == digest, uploads.c.space.in_(list(sources))
        )
        if (row := connection.execute(known.limit(1)).mappings().first()) is None:
            return
        admitted = self.admit(connection, by, space, Wanted(bytes=row["bytes"], kept=row["bytes"]))
        added = {"owner": by, "space": space, "digest": digest, "created": datetime.now(UTC)}
        connection.execute(sa.insert(uploads), dict(row) | added | {"address": admitted["address"]})
