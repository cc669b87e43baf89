"""Opening a page that shows 20 runs of 100,000 steps: time to the first and to the last curve, and bytes.

A real server in its own process, a WebSocket client in this one, from connecting to the last snapshot. Median of
several openings, each on a fresh server, so that nothing is cached. Prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tests.bench.live_server import Served, open_socket
from trainer.curves.messages import decode
from trainer.metrics.registry import columns
from trainer.store import Batch, Store

STEP_COLUMNS, EPOCH_COLUMNS = columns("step"), columns("epoch")

RUNS, STEPS, EPOCHS = 20, 100_000, 500
OPENINGS = 5


def fill(store: Store) -> list[int]:
    rng = np.random.default_rng(0)
    ids = []
    for _ in range(RUNS):
        run = store.create_run({}, "bench")
        attempt = store.claim(run)
        steps = rng.random((STEPS, len(STEP_COLUMNS)))
        steps[:, 0] = np.arange(STEPS)
        epochs = rng.random((EPOCHS, len(EPOCH_COLUMNS)))
        epochs[:, 0] = (np.arange(EPOCHS) + 1) * (STEPS // EPOCHS) - 1
        for first in range(0, STEPS, 5_000):
            store.record(run, attempt, [Batch("step", STEP_COLUMNS, steps[first : first + 5_000])])
        store.record(
            run, attempt, [Batch("epoch", EPOCH_COLUMNS, epochs)], {"step": STEPS, "total_steps": STEPS}
        )
        store.finish(run, attempt, "finished")
        ids.append(run)
    return ids


async def open_page(port: int, token: str, ids: list[int]) -> tuple[float, float, int]:
    """Seconds to the first curve and to all, and all bytes received."""
    start = time.perf_counter()
    async with open_socket(port, token) as ws:
        await ws.send(json.dumps({"type": "subscribe", "runs": ids, "points": 1000}))
        seen: set[int] = set()
        first, size = 0.0, 0
        while len(seen) < len(ids):
            message = await ws.recv()
            size += len(message)
            if isinstance(message, bytes):
                first = first or time.perf_counter() - start
                seen |= {segment.run for segment in decode(message)[1]}
        return first, time.perf_counter() - start, size


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/bench.db")
        ids = fill(store)
        found = []
        for _ in range(OPENINGS):
            with Served(Path(folder), store) as served:
                found.append(asyncio.run(open_page(served.port, served.token(ids), ids)))
        store.close()
    first, whole, size = (statistics.median(column) for column in zip(*found, strict=True))
    print(
        json.dumps(
            {
                "bench": "live_open",
                "first_curve_s": round(first, 3),
                "all_curves_s": round(whole, 3),
                "kB": round(size / 1e3, 1),
                "targets": {"all_curves_s": 1.0, "kB": 300},
            }
        )
    )


if __name__ == "__main__":
    main()
