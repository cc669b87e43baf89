"""Runs that were trained elsewhere, added to this store as they ended there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from trainer.store import points
from trainer.store.database import Database, tick
from trainer.store.points import Batch
from trainer.store.runs import ENDED, clean, next_number
from trainer.store.schema import runs


class ImportStore(Database):
    """Imports runs."""

    def import_run(
        self, owner: str, values: Mapping[str, Any], batches: Iterable[Batch], size: int = 0
    ) -> int:
        """Adds a run that is over, with its points, in one transaction, and returns its id. Its `size` in bytes counts as kept
        by its owner.

        `values`: name, notes, status, config, created, started, ended, progress, results, error and notices.
        Raises ValueError for a run that is not over, and for points that do not fit together.
        """
        if values["status"] not in ENDED:
            raise ValueError(f"Only a run that is over can be imported, not one that is {values['status']}.")
        texts = {name: clean(values[name]) for name in ("name", "notes")}
        error = None if values["error"] is None else clean(values["error"])
        with self.writing() as connection:
            version = tick(connection)
            row = {
                **values,
                **texts,
                "error": error,
                "notices": [clean(notice) for notice in values["notices"]],
                "number": next_number(connection, clean(owner)),
                "owner": clean(owner),
                "archived": False,
                "attempt": 1,
                "beat": 0,
                "version": version,
                "place": version,
                "losses": 0,
                "lost_step": -1,
                "imported_bytes": size,
            }
            run_id = int(connection.execute(sa.insert(runs).returning(runs.c.id), row).scalar_one())
            for batch in batches:
                points.append(connection, run_id, batch)
        return run_id
