"""How points are laid out in the database: merged chunks (what the store does) against one row a step. Prints one JSON line.

    python tests/bench/store_layout.py

Both layouts live in SQLite files opened by the store's own engine. A run of 100,000 steps arrives in commits of 50; then a tail
of the newest 50 steps is read, and all of it for a thinned curve. Lower is better everywhere; ratios are rows to chunks.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from interleaved import ratio, rounds
from tsdownsample import MinMaxLTTBDownsampler

from trainer.metrics.registry import columns
from trainer.store import Batch, Store
from trainer.store.attempts import _beat
from trainer.store.database import Database, tick

STEP_COLUMNS = columns("step")

STEPS, COMMIT, THINNED = 100_000, 50, 1000
VALUES = np.random.default_rng(0).normal(size=(STEPS, len(STEP_COLUMNS)))
VALUES[:, 0] = np.arange(1, STEPS + 1)


class Chunks:
    """The store as it is."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(f"sqlite:///{folder / 'chunks.db'}")
        self.run_id = self.store.create_run({}, "bench")
        self.attempt = self.store.claim(self.run_id) or 0

    def write(self, rows: np.ndarray) -> None:
        """One commit."""
        self.store.record(self.run_id, self.attempt, [Batch("step", STEP_COLUMNS, rows)])

    def read(self, after: int) -> np.ndarray:
        """Everything after a step."""
        return self.store.read_points(self.run_id, "step", after).array


class Rows:
    """One row a step, with the same fencing and clock in each commit."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(f"sqlite:///{folder / 'rows.db'}")
        self.run_id = self.store.create_run({}, "bench")
        self.attempt = self.store.claim(self.run_id) or 0
        columns = [sa.Column(name, sa.Float) for name in STEP_COLUMNS[1:]]
        keys = [sa.Column(name, sa.Integer, primary_key=True) for name in ("run_id", "step")]
        self.table = sa.Table("points", sa.MetaData(), *keys, *columns, sqlite_with_rowid=False)
        with self.store.writing() as connection:
            self.table.create(connection)

    def write(self, rows: np.ndarray) -> None:
        """One commit."""
        names = ("run_id", *STEP_COLUMNS)
        values = [dict(zip(names, (self.run_id, *row), strict=True)) for row in rows.tolist()]
        with self.store.writing() as connection:
            _beat(connection, self.run_id, self.attempt, tick(connection))
            connection.execute(sa.insert(self.table), values)

    def read(self, after: int) -> np.ndarray:
        """Everything after a step."""
        table = self.table
        query = sa.select(*list(table.c)[1:]).where(table.c.run_id == self.run_id, table.c.step > after)
        with self.store.reading() as connection:
            return np.array(
                [tuple(row) for row in connection.execute(query.order_by(table.c.step))], dtype=float
            )


def thinned(layout: Chunks | Rows) -> np.ndarray:
    """The loss curve of the whole run, thinned for a chart."""
    points = layout.read(-1)
    steps, loss = points[:, 0].copy(), points[:, STEP_COLUMNS.index("loss")].copy()
    return steps[MinMaxLTTBDownsampler().downsample(steps, loss, n_out=THINNED)]


def seconds(action) -> float:
    """How long it takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def write_all(layout: Chunks | Rows) -> float:
    """Seconds a step, over all commits."""
    return seconds(lambda: [layout.write(VALUES[at : at + COMMIT]) for at in range(0, STEPS, COMMIT)]) / STEPS


def tail(layout: Chunks | Rows, count: int = 50) -> float:
    """Seconds to read the newest commit, mean of many reads."""
    return seconds(lambda: [layout.read(STEPS - COMMIT) for _ in range(count)]) / count


def history_ratio(folder: Path) -> float:
    """The cost of a tail read after 100,000 steps relative to after 1,000, of the chunk layout."""
    short, long = Chunks(folder / "short"), Chunks(folder / "long")
    for at in range(0, STEPS, COMMIT):
        long.write(VALUES[at : at + COMMIT])
        if at < 1000:
            short.write(VALUES[at : at + COMMIT])

    def read(layout: Chunks, end: int) -> float:
        return seconds(lambda: [layout.read(end - COMMIT) for _ in range(200)])

    measured = rounds({"long": lambda: read(long, STEPS), "short": lambda: read(short, 1000)})
    return ratio(measured, "long", "short")


def size(store: Database) -> int:
    """Bytes of the database."""
    with store.reading() as connection:
        return connection.exec_driver_sql("PRAGMA page_count").scalar() * 4096


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder, counter = Path(name), iter(range(1000))
        filled: dict[str, Chunks | Rows] = {}

        def fill(kind: type[Chunks] | type[Rows]) -> float:
            fresh = folder / str(next(counter))
            filled[kind.__name__] = layout = kind(fresh)
            return write_all(layout)

        write = rounds({"rows": lambda: fill(Rows), "chunks": lambda: fill(Chunks)}, 5)
        chunks, rows = filled["Chunks"], filled["Rows"]
        assert np.array_equal(chunks.read(-1), rows.read(-1))
        tails = rounds({"rows": lambda: tail(rows), "chunks": lambda: tail(chunks)})
        thin = rounds(
            {
                "rows": lambda: seconds(lambda: thinned(rows)),
                "chunks": lambda: seconds(lambda: thinned(chunks)),
            }
        )
        result = {"bench": "store_layout", "steps": STEPS, "steps_per_commit": COMMIT}
        for what, measured, unit in (
            ("write_us_per_step", write, 1e6),
            ("tail_us", tails, 1e6),
            ("thinned_ms", thin, 1e3),
        ):
            result[what] = {
                key: round(statistics.median(values) * unit, 2) for key, values in measured.items()
            }
            result[what]["ratio"] = ratio(measured, "rows", "chunks")
        result["megabytes"] = {"rows": size(rows.store) / 1e6, "chunks": size(chunks.store) / 1e6}
        result["tail_after_100000_to_1000"] = history_ratio(folder)
        print(json.dumps(result))


if __name__ == "__main__":
    main()
