"""What a tick costs the server for a run with 100,000 steps of history against one with 1,000.

A tick is what the hub does ten times a second: read what is new, thin it, encode it. Both runs get the same 50 new
steps before each tick; rounds are interleaved and the ratio is the median over rounds. `health` is the same for what the
Health page is told of these steps. Prints one JSON line.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

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


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/bench.db")
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
        store.close()
    ratios, health_ratios = (
        [big / small for small, big in zip(found[1_000], found[100_000], strict=True)]
        for found in (times, health)
    )
    print(
        json.dumps(
            {
                "bench": "live_tick",
                "tick_ms_1000": round(1e3 * statistics.median(times[1_000]), 3),
                "tick_ms_100000": round(1e3 * statistics.median(times[100_000]), 3),
                "bytes": sizes,
                "ratio": round(statistics.median(ratios), 3),
                "health_tick_ms": round(1e3 * statistics.median(health[100_000]), 3),
                "health_ratio": round(statistics.median(health_ratios), 3),
                "target": 1.2,
            }
        )
    )


if __name__ == "__main__":
    main()
