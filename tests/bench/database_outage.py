"""How long training stalls when PostgreSQL is restarted: the pause between two steps, beyond the outage itself.

Two runs train as fast as they can, and wait at the end of each epoch until their points are committed; meanwhile the server is
stopped and started again. Prints one JSON line: the outages, and by how much each run's pause was longer.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from lab import Lab
from postgres import USER, Server, find_binaries, running_server

RESTARTS = 10
DOWN = 1.0  # seconds for which the server stays stopped
BETWEEN = 200  # steps


def outage(server: Server) -> float:
    """Stops the server and starts it; returns the seconds without it."""
    server.stop()
    began = time.monotonic()
    time.sleep(DOWN)
    server.start()
    return time.monotonic() - began


def pauses(lab: Lab, run_id: int) -> np.ndarray:
    """The longest pauses between two steps of a run, as many as there were restarts, in their order."""
    seconds = lab.store.read_points(run_id, "step").column("seconds")
    gaps = np.diff(seconds)
    return gaps[np.sort(np.argsort(gaps)[-RESTARTS:])]


def main() -> None:
    binaries = find_binaries()
    assert binaries is not None, "PostgreSQL is not installed"
    with running_server(binaries) as server, tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder), f"postgresql://{USER}@/postgres?host={server.folder}")
        try:
            lab.start()
            ids = [lab.create(pace=0, epochs=2000) for _ in range(2)]
            down = []
            for _ in range(RESTARTS):
                for run_id in ids:
                    lab.past(run_id, lab.store.last_step(run_id, "step") + BETWEEN)
                down.append(outage(server))
            for run_id in ids:
                lab.past(run_id, lab.store.last_step(run_id, "step") + BETWEEN)
                assert lab.store.run(run_id).attempt == 1
            beyond = [pauses(lab, run_id) - np.array(down) for run_id in ids]
        finally:
            lab.close()
    found = np.concatenate(beyond)
    print(
        json.dumps(
            {
                "bench": "database_outage",
                "outage_s": round(statistics.median(down), 2),
                "stall_beyond_outage_s": {
                    "median": round(float(np.median(found)), 2),
                    "most": round(float(found.max()), 2),
                },
                "target": 2.0,
            }
        )
    )


if __name__ == "__main__":
    main()
