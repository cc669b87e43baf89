"""What a tick costs the server for a run with 100,000 steps of history against one with 1,000.

A tick is what the hub does ten times a second: read what is new, thin it, encode it. Both runs get the same 50 new
steps before each tick; rounds are interleaved and the ratio is the median over rounds. `health` is the same for what the
Health page is told of these steps.

The same is measured on PostgreSQL, where it is installed, beside what decides between polling and LISTEN/NOTIFY: what reading
the change stamp costs, by which the hub finds out ten times a second that something is new, and what a notification would cost
each commit. Prints one JSON line.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

import psycopg
from postgres import USER, find_binaries, running_server

from trainer.curves import deltas as live
from trainer.curves.messages import encode
from trainer.health.messages import Seen, news
from trainer.metrics.registry import columns
from trainer.store import Batch, Store

STEP_COLUMNS = columns("step")

ROUNDS = 9
TICKS = 60
NEW = 50


class Grown:
    """A run with some history that goes on, written as a worker writes it."""

    def __init__(self, store: Store, history: int) -> None:
        self.store, self.rng = store, np.random.default_rng(history)
        self.run = store.create_run({}, "bench")
        self.attempt = store.claim(self.run)
        self.at = 0
        while self.at < history:
            self.write(NEW)

    def write(self, count: int) -> None:
        rows = self.rng.random((count, len(STEP_COLUMNS)))
        rows[:, 0] = np.arange(self.at, self.at + count)
        self.store.record(self.run, self.attempt, [Batch("step", STEP_COLUMNS, rows)])
        self.at += count

    def tick(self) -> tuple[float, int, float]:
        """Seconds and bytes of one tick, and the seconds that the Health page's news take."""
        after = self.at - 1
        self.write(NEW)
        start = time.perf_counter()
        segments = live.delta(self.store, self.run, {"step": after, "epoch": -1})
        message = encode(segments, "delta")
        spent = time.perf_counter() - start
        assert [(segment.after, segment.to, segment.rows) for segment in segments] == [
            (after, after + NEW, NEW)
        ]
        start = time.perf_counter()
        messages, _ = news(self.store, self.run, Seen(step=after))
        told = time.perf_counter() - start
        assert len(messages) == 1
        return spent, len(message), told


def measure(url: str) -> dict[str, float]:
    """The figures of one database."""
    store = Store(url)
    runs = {history: Grown(store, history) for history in (1_000, 100_000)}
    times: dict[int, list[float]] = {history: [] for history in runs}
    health: dict[int, list[float]] = {history: [] for history in runs}
    sizes: dict[int, int] = {}
    for _ in range(ROUNDS):
        spent: dict[int, list[float]] = {history: [] for history in runs}
        news_spent: dict[int, list[float]] = {history: [] for history in runs}
        for _ in range(TICKS):
            for history, run in runs.items():
                seconds, sizes[history], told = run.tick()
                spent[history].append(seconds)
                news_spent[history].append(told)
        for history in runs:
            times[history].append(statistics.median(spent[history]))
            health[history].append(statistics.median(news_spent[history]))
    reader = store.stamp_reader()
    poll = median_of(reader.read)
    reader.close()
    store.close()
    ratios, health_ratios = (
        [big / small for small, big in zip(found[1_000], found[100_000], strict=True)]
        for found in (times, health)
    )
    return {
        "tick_ms_1000": round(1e3 * statistics.median(times[1_000]), 3),
        "tick_ms_100000": round(1e3 * statistics.median(times[100_000]), 3),
        "bytes": sizes[100_000],
        "ratio": round(statistics.median(ratios), 3),
        "health_tick_ms": round(1e3 * statistics.median(health[100_000]), 3),
        "health_ratio": round(statistics.median(health_ratios), 3),
        "poll_ms": round(1e3 * poll, 3),
    }


def notifying(address: str) -> dict[str, float]:
    """What a notification adds to a commit that ticks the clock, and how long it takes to a listener."""
    with (
        psycopg.connect(address, autocommit=True) as writer,
        psycopg.connect(address, autocommit=True) as listener,
    ):
        listener.execute("LISTEN news")

        def commit(notify: bool) -> None:
            with writer.transaction():
                writer.execute("UPDATE clock SET value = value + 1")
                if notify:
                    writer.execute("NOTIFY news")

        def deliver() -> None:
            commit(notify=True)
            next(listener.notifies(timeout=10, stop_after=1))

        delivered = median_of(deliver)
        listener.execute("UNLISTEN news")
        return {
            "commit_ms": round(1e3 * median_of(lambda: commit(notify=False)), 3),
            "commit_with_notify_ms": round(1e3 * median_of(lambda: commit(notify=True)), 3),
            "commit_to_listener_ms": round(1e3 * delivered, 3),
        }


def median_of(action: Callable[[], object], count: int = 500) -> float:
    """The median of the seconds that an action takes."""
    spent = []
    for _ in range(count):
        start = time.perf_counter()
        action()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def main() -> None:
    found: dict[str, object] = {"bench": "live_tick", "target_ratio": 1.2}
    with tempfile.TemporaryDirectory() as folder:
        found["sqlite"] = measure(f"sqlite:///{folder}/bench.db")
    if (binaries := find_binaries()) is not None:
        with running_server(binaries) as server:
            found["postgresql"] = measure(f"postgresql://{USER}@/postgres?host={server.folder}")
            found["notify"] = notifying(f"host={server.folder} user={USER} dbname=postgres")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
