"""What thirty open tabs cost the web process while ten runs are queued, and while five hundred are.

Each tab is a Streamlit session of a visitor of its own that polls as a browser does: the server asks it to rerun a
fragment every second. Two runs of the command line train all the while, so every tab follows something and the store
changes ten times a second. `look_ms` is what one tab's look at the runs costs in this process, by length of the queue,
with the answer of the look before it thrown away. Prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from pages.server.live_runs import LiveRuns
from pages.server.visitor import COOKIE
from tests.bench.live_server import ServedApp
from trainer.config import RunConfig
from trainer.metrics.registry import columns
from trainer.store import COMMAND_LINE, Batch, Store

TABS, SHORT, LONG, SECONDS = 30, 10, 500, 12
STEP_COLUMNS = columns("step")


def visitor(number: int) -> str:
    return f"{number:022d}"


class Workers:
    """Two runs that train: their points, committed five times a second each."""

    def __init__(self, store: Store) -> None:
        self.store, self.over = store, threading.Event()
        config = RunConfig()
        self.runs = [store.create_run(config, COMMAND_LINE, status="running") for _ in range(2)]

    def commit(self, step: int) -> None:
        for run in self.runs:
            rows = np.ones((1, len(STEP_COLUMNS)))
            rows[:, 0] = step
            progress = {"step": step, "total_steps": 10**6, "steps_per_s": 100.0}
            self.store.record(run, 1, [Batch("step", STEP_COLUMNS, rows)], progress)

    def train(self) -> None:
        step = 0
        while not self.over.wait(0.2):
            self.commit(step := step + 1)


class Tab:
    """A browser's part: it reruns a fragment as often as the server has asked."""

    def __init__(self, port: int, owner: str) -> None:
        self.port, self.owner, self.page = port, owner, ""
        self.timers: dict[str, asyncio.Task[None]] = {}
        self.scripts = self.polls = 0

    async def open(self) -> None:
        self.socket = await connect(
            f"ws://127.0.0.1:{self.port}/_stcore/stream",
            subprotocols=["streamlit"],
            max_size=None,
            additional_headers={"Cookie": f"{COOKIE}={self.owner}"},
        )
        await self.rerun()
        self.reader = asyncio.create_task(self.read())

    async def rerun(self, fragment: str = "") -> None:
        message = BackMsg()
        message.rerun_script.query_string = ""
        message.rerun_script.page_script_hash = self.page
        message.rerun_script.fragment_id = fragment
        message.rerun_script.is_auto_rerun = bool(fragment)
        await self.socket.send(message.SerializeToString())

    async def read(self) -> None:
        while True:
            told = ForwardMsg()
            told.ParseFromString(await self.socket.recv())
            match told.WhichOneof("type"):
                case "new_session":
                    self.page = told.new_session.page_script_hash
                case "stop_auto_rerun":
                    for name in told.stop_auto_rerun.fragment_ids:
                        if timer := self.timers.pop(name, None):
                            timer.cancel()
                case "auto_rerun":
                    name = told.auto_rerun.fragment_id
                    if name not in self.timers:
                        self.timers[name] = asyncio.create_task(self.poll(name, told.auto_rerun.interval))
                case "script_finished":
                    self.scripts += 1

    async def poll(self, fragment: str, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            self.polls += 1
            await self.rerun(fragment)

    def stop(self) -> None:
        for timer in self.timers.values():
            timer.cancel()
        self.timers.clear()

    async def close(self) -> None:
        self.stop()
        self.reader.cancel()
        await self.socket.close()


def queue_up(store: Store, count: int) -> None:
    """Queues runs until there are `count`: one for each of the first ten tabs, the others for visitors without a tab."""
    for number in range(len(store.queued()), count):
        owner = visitor(number if number < SHORT else 1000 + number % 10)
        store.create_run(RunConfig(seed=number), owner)


async def watch(served: ServedApp, store: Store) -> dict[int, tuple[float, float]]:
    """Returns by length of the queue the cores that the web process uses while the tabs poll, and their polls per second."""
    tabs = [Tab(served.port, visitor(number)) for number in range(TABS)]
    for tab in tabs:
        await tab.open()
    while not all(tab.timers for tab in tabs):
        for tab in tabs:
            if tab.reader.done():
                tab.reader.result()  # raises what ended it
        await asyncio.sleep(0.1)
    found = {}
    for length in (SHORT, LONG):
        await asyncio.to_thread(queue_up, store, length)
        await asyncio.sleep(3)
        polls, before, began = sum(tab.polls for tab in tabs), served.cpu(), time.perf_counter()
        await asyncio.sleep(SECONDS)
        seconds = time.perf_counter() - began
        rate = (sum(tab.polls for tab in tabs) - polls) / seconds
        found[length] = ((served.cpu() - before) / seconds, rate)
    for tab in tabs:
        await tab.close()
    return found


def look(store: Store, workers: Workers, step: int) -> float:
    """Returns the median milliseconds of a tab's look after something has changed."""
    live, times = LiveRuns(store), []
    live.of({visitor(0), COMMAND_LINE})
    for number in range(60):
        workers.commit(step + number)
        stamp = store.change_stamp()
        began = time.perf_counter()
        live.of({visitor(0), COMMAND_LINE}, at_least=stamp)
        times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times)


def main() -> None:
    looks = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/bench.db")
        workers = Workers(store)
        for number, length in enumerate((SHORT, LONG)):
            queue_up(store, length)
            looks[length] = look(store, workers, step=1 + 1000 * number)
        with store.writing() as connection:  # begin again with a short queue
            connection.exec_driver_sql(f"DELETE FROM runs WHERE status = 'queued' AND id > {SHORT + 2}")
        thread = threading.Thread(target=workers.train, daemon=True)
        with ServedApp(Path(folder), store) as served:
            store.set_supervisor("ready")
            thread.start()
            watched = asyncio.run(watch(served, store))
            workers.over.set()
            thread.join()
        store.close()
    print(
        json.dumps(
            {
                "bench": "run_polling",
                "tabs": TABS,
                "queued": [SHORT, LONG],
                "look_ms": {length: round(found, 3) for length, found in looks.items()},
                "look_ratio": round(looks[LONG] / looks[SHORT], 2),
                "web_cores": {length: round(cores, 3) for length, (cores, _) in watched.items()},
                "web_cores_ratio": round(watched[LONG][0] / watched[SHORT][0], 2),
                "polls_per_s": {length: round(rate, 1) for length, (_, rate) in watched.items()},
                "targets": {"web_cores": 0.3, "look_ratio": 1.2},
            }
        )
    )


if __name__ == "__main__":
    main()
