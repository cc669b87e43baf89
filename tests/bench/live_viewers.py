"""30 viewers beside two running writers on this machine: delay, losses, and what the web process costs.

Two processes write 500 steps a second each, committed ten times a second as workers do, and stamp each step
with the time of day in its `seconds` column. 30 viewers, in a third process, watch both runs: each is a
WebSocket client and an open Streamlit session of the whole app. The delay of a point is from its stamp to its
arrival. No client may miss a step or be disconnected. Prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from websockets.protocol import State

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tests.bench.live_server import ROOT, ServedApp, open_session, open_socket
from trainer.curves.messages import decode
from trainer.metrics.registry import columns
from trainer.store import Batch, Store

STEP_COLUMNS = columns("step")

VIEWERS, WRITERS, RATE, SECONDS = 30, 2, 500, 20


def write(url: str, run: int) -> None:
    """One worker's share of the database, without its training."""
    store = Store(url)
    attempt = store.claim(run)
    began, at = time.time(), 0
    while (elapsed := time.time() - began) < SECONDS:
        upto = int(elapsed * RATE)
        rows = np.ones((upto - at, len(STEP_COLUMNS)))
        rows[:, 0] = np.arange(at, upto)
        rows[:, 1] = elapsed - (upto - 1 - np.arange(at, upto)) / RATE
        store.record(
            run,
            attempt,
            [Batch("step", STEP_COLUMNS, rows)] if upto > at else [],
            {"step": upto, "began": began},
        )
        at = upto
        time.sleep(0.1)
    store.finish(run, attempt, "finished")


class Watcher:
    """One viewer: notes the delay of each message's newest step, and whether a step was left out."""

    def __init__(self, runs: list[int]) -> None:
        self.cursors = dict.fromkeys(runs, -1)
        self.began: dict[int, float] = {}
        self.over: set[int] = set()
        self.delays: list[float] = []
        self.gaps = self.messages = 0

    async def watch(self, port: int, token: str) -> None:
        async with open_socket(port, token) as ws:
            await ws.send(json.dumps({"type": "subscribe", "runs": list(self.cursors), "points": 600}))
            while len(self.over) < len(self.cursors):
                self.take(await ws.recv())

    def take(self, message: str | bytes) -> None:
        now = time.time()
        self.messages += 1
        if isinstance(message, str):
            told = json.loads(message)
            self.began[told["run"]] = told.get("progress", {}).get("began", self.began.get(told["run"]))
            if told["status"] == "finished":
                self.over.add(told["run"])
            return
        header, segments = decode(message)
        for segment in segments:
            if segment.kind != "step" or not segment.rows:
                continue
            self.gaps += header["t"] == "delta" and segment.after != self.cursors[segment.run]
            self.cursors[segment.run] = segment.to
            began = self.began.get(segment.run)
            if header["t"] == "delta" and began:
                seconds = next(s for s in segment.series if s.name == "seconds")
                self.delays.append(now - began - float(seconds.values[-1]))


async def watch_all(port: int, token: str, runs: list[int]) -> list[Watcher]:
    watchers = [Watcher(runs) for _ in range(VIEWERS)]
    await asyncio.wait_for(asyncio.gather(*(one.watch(port, token) for one in watchers)), SECONDS + 30)
    return watchers


async def scene(served: ServedApp, runs: list[int]) -> tuple[list[Watcher], float, float, int]:
    """Sessions open first; then writers and viewers. Gives cores used while opening and while watching,
    too."""
    before, began = served.cpu(), time.perf_counter()
    sessions = [await open_session(served.port) for _ in range(VIEWERS)]
    opening = (served.cpu() - before) / (time.perf_counter() - began)
    command = [sys.executable, "-m", "tests.bench.live_viewers", served.url]
    writers = [subprocess.Popen([*command, str(run)], cwd=ROOT) for run in runs]
    before, began = served.cpu(), time.perf_counter()
    watchers = await watch_all(served.port, served.token(runs), runs)
    watching = (served.cpu() - before) / (time.perf_counter() - began)
    for writer in writers:
        writer.wait()
    dropped = sum(session.state is not State.OPEN for session in sessions)
    await asyncio.gather(*(session.close() for session in sessions))
    return watchers, opening, watching, dropped


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/bench.db")
        runs = [store.create_run({}, "bench") for _ in range(WRITERS)]
        with ServedApp(Path(folder), store) as served:
            watchers, opening, cores, dropped = asyncio.run(scene(served, runs))
        last = {run: store.last_step(run, "step") for run in runs}
        store.close()
    delays = np.concatenate([one.delays for one in watchers])
    print(
        json.dumps(
            {
                "bench": "live_viewers",
                "viewers": VIEWERS,
                "delay_p50_s": round(float(np.quantile(delays, 0.5)), 3),
                "delay_p95_s": round(float(np.quantile(delays, 0.95)), 3),
                "delay_max_s": round(float(delays.max()), 3),
                "messages": sum(one.messages for one in watchers),
                "gaps": sum(one.gaps for one in watchers),
                "unfinished": sum(one.cursors != last for one in watchers),
                "dropped_sessions": dropped,
                "web_cores": round(cores, 3),
                "web_cores_while_sessions_open": round(opening, 3),
                "targets": {
                    "delay_p95_s": 1.0,
                    "gaps": 0,
                    "unfinished": 0,
                    "dropped_sessions": 0,
                    "web_cores": 0.5,
                },
            }
        )
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write(sys.argv[1], int(sys.argv[2]))
    else:
        main()
