"""Measured points as chunks: each commit adds one small chunk, and small ones are merged into big ones.

A chunk is a block of float64 rows, little-endian, row after row, so reading many chunks is one join of bytes
and no parsing: NaN and infinity come back bit for bit. Merging keeps both ends cheap. History is a few big
chunks, so 100,000 steps are read in milliseconds; the newest chunks stay small (a merge leaves the last
`FANOUT` of each size alone), so a reader that follows a run decodes only what is new.
`tests/bench/store_layout.py` measures this against one row per step.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.metrics.registry import columns as metric_columns
from trainer.store.schema import chunks

Array = npt.NDArray[np.float64]

FANOUT = 16
SEALED_ROWS = 4096
"""A chunk with this many rows is big enough and is not merged again."""
_SEALED = 99


@dataclass(frozen=True)
class Points:
    """Rows of one kind, oldest first: `array` has shape (rows, columns), float64; "step" is always a column."""

    columns: tuple[str, ...]
    array: Array

    def __len__(self) -> int:
        return len(self.array)

    def column(self, name: str, missing: float | None = None) -> Array:
        """One column as a view, shape (rows,). Where it was never recorded, rows of `missing`; without that, raises KeyError."""
        if name in self.columns:
            result: Array = self.array[:, self.columns.index(name)]
            return result
        if missing is None:
            raise KeyError(f"No column {name!r}; there are {', '.join(self.columns)}.")
        return np.full(len(self.array), missing)

    @property
    def last_step(self) -> int:
        """The step of the newest row, or -1 without rows: the cursor for the next read."""
        return int(self.column("step")[-1]) if len(self.array) else -1


@dataclass(frozen=True)
class Batch:
    """Rows to append: `rows` has shape (n, len(columns)), steps strictly increasing."""

    kind: str
    columns: Sequence[str]
    rows: Array


def last_step(connection: Connection, run_id: int, kind: str) -> int:
    """Step of the newest committed point, or -1."""
    return _newest(connection, run_id, kind)[0]


def append(connection: Connection, run_id: int, batch: Batch) -> int:
    """Inserts the rows that are newer than what is committed; returns how many were new."""
    rows = _checked(batch)
    newest, serial = _newest(connection, run_id, batch.kind)
    rows = rows[rows[:, list(batch.columns).index("step")] > newest]
    if not len(rows):
        return 0
    _insert(connection, run_id, batch.kind, serial + 1, 0, tuple(batch.columns), rows)
    if (serial + 1) % FANOUT == 0:
        _merge(connection, run_id, batch.kind)
    return len(rows)


def read(
    connection: Connection, run_id: int, kind: str, after_step: int = -1, limit: int | None = None
) -> Points:
    """Rows with step > after_step, at most `limit` of them."""
    found: list[Points] = []
    total = 0
    statement = _READ.execution_options(stream_results=True)
    result = connection.execute(statement, {"run": run_id, "kind": kind, "after": after_step})
    for columns, data in result:
        block = _decode(tuple(columns), data)
        if not found:  # only the first chunk can hold steps that the reader already has
            steps = block.column("step")
            block = Points(block.columns, block.array[np.searchsorted(steps, after_step, side="right") :])
        found.append(block)
        total += len(block)
        if limit is not None and total >= limit:
            break
    result.close()
    joined = concatenate(found) if found else _nothing(kind)
    return joined if limit is None else Points(joined.columns, joined.array[:limit])


def concatenate(blocks: Sequence[Points]) -> Points:
    """One block of all rows. Columns are the union in order of appearance; what a block lacks is NaN."""
    if len({block.columns for block in blocks}) == 1:
        return Points(blocks[0].columns, np.concatenate([block.array for block in blocks]))
    columns = tuple(dict.fromkeys(itertools.chain.from_iterable(block.columns for block in blocks)))
    array = np.full((sum(len(block) for block in blocks), len(columns)), np.nan)
    start = 0
    for block in blocks:
        places = [columns.index(name) for name in block.columns]
        array[start : start + len(block), places] = block.array
        start += len(block)
    return Points(columns, array)


def _checked(batch: Batch) -> Array:
    rows = np.ascontiguousarray(batch.rows, dtype="<f8")
    if rows.ndim != 2 or rows.shape[1] != len(batch.columns):
        raise ValueError(f"Rows of shape {rows.shape} do not fit the columns {tuple(batch.columns)}.")
    if "step" not in batch.columns or len(set(batch.columns)) != len(batch.columns):
        raise ValueError(f"Columns {tuple(batch.columns)} must hold 'step' and no name twice.")
    steps = rows[:, list(batch.columns).index("step")]
    if not (np.isfinite(steps).all() and (np.diff(steps) > 0).all()):
        raise ValueError(f"Steps of kind {batch.kind!r} must be finite and strictly increasing.")
    return rows


def _newest(connection: Connection, run_id: int, kind: str) -> tuple[int, int]:
    """(last committed step, its serial number), or (-1, 0)."""
    row = connection.execute(_NEWEST, {"run": run_id, "kind": kind}).first()
    return (-1, 0) if row is None else (row[0], row[1])


def _insert(
    connection: Connection,
    run_id: int,
    kind: str,
    serial: int,
    level: int,
    columns: tuple[str, ...],
    rows: Array,
) -> None:
    values = {
        "run_id": run_id,
        "kind": kind,
        "last_step": int(rows[-1, columns.index("step")]),
        "serial": serial,
        "level": _SEALED if len(rows) >= SEALED_ROWS else level,
        "count": len(rows),
        "columns": columns,
        "data": np.ascontiguousarray(rows, dtype="<f8").tobytes(),
    }
    connection.execute(_INSERT, values)


def _merge(connection: Connection, run_id: int, kind: str) -> None:
    """Joins the oldest `FANOUT` chunks of a level into one of the next, wherever twice as many have gathered.

    Only neighbours are joined: a big chunk written at once may lie between small ones, and rows must stay in order.
    """
    recent = connection.execute(_RECENT, {"run": run_id, "kind": kind}).all()
    for level, neighbours in itertools.groupby(reversed(recent), key=lambda row: row.level):
        group = list(neighbours)
        if level < _SEALED and len(group) >= 2 * FANOUT:
            _join(connection, run_id, kind, group[:FANOUT])


def _join(connection: Connection, run_id: int, kind: str, group: Sequence[Any]) -> None:
    ids = [row.id for row in group]
    found = connection.execute(_BODIES, {"ids": ids}).all()
    block = concatenate([_decode(tuple(row.columns), row.data) for row in found])
    connection.execute(_DELETE, {"ids": ids})
    level = group[-1].level + 1
    _insert(connection, run_id, kind, group[-1].serial, level, block.columns, block.array)


def _decode(columns: tuple[str, ...], data: bytes) -> Points:
    return Points(columns, np.frombuffer(data, dtype="<f8").reshape(-1, len(columns)))


def _nothing(kind: str) -> Points:
    columns = metric_columns(kind) or ("step",)
    return Points(columns, np.empty((0, len(columns))))


# Statements are built once: building them costs more than running them.
_of_run = (chunks.c.run_id == sa.bindparam("run")) & (chunks.c.kind == sa.bindparam("kind"))
_NEWEST = (
    sa.select(chunks.c.last_step, chunks.c.serial)
    .where(_of_run)
    .order_by(chunks.c.last_step.desc())
    .limit(sa.literal_column("1"))
)
_READ = (
    sa.select(chunks.c.columns, chunks.c.data)
    .where(_of_run, chunks.c.last_step > sa.bindparam("after"))
    .order_by(chunks.c.last_step)
)
_RECENT = (
    sa.select(chunks.c.id, chunks.c.level, chunks.c.serial)
    .where(_of_run)
    .order_by(chunks.c.last_step.desc())
    .limit(sa.literal_column(str(8 * FANOUT)))
)
_BODIES = (
    sa.select(chunks.c.columns, chunks.c.data)
    .where(chunks.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(chunks.c.last_step)
)
_DELETE = sa.delete(chunks).where(chunks.c.id.in_(sa.bindparam("ids", expanding=True)))
_INSERT = sa.insert(chunks)
