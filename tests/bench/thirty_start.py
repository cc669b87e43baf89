"""Thirty people press Start within five seconds: how soon each sees a point, when all are done, and whether pages answer.

A real server with its own supervisor, in its default configuration, trains thirty default runs, each of an owner of their own and
watched over a live connection. Meanwhile a visitor loads pages. The contestants, one after another on the same machine:

- `shared`: as it is;
- `queue`: two runs at a time, each to its end, as many workers as cores and turns without end;
- `hostile`: as it is, beside a visitor who starts a thousand runs, sends names of 10,000 characters, keeps thirty tabs open,
  reloads one every second, and opens sockets and leaves them;
- `beside`: the first point of one more person, alone and beside two runs of 100,000 epochs of another.

The trainer's CPU seconds are a ratio that holds beside other load, too. Prints one JSON line. Run by hand on two cores:
`taskset -c 0,1 python tests/bench/thirty_start.py [PEOPLE [EPOCHS]]`.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.exceptions import WebSocketException

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tests.bench.live_server import WholeApp, open_session, open_socket
from trainer.config import RunConfig
from trainer.curves.messages import decode
from trainer.store import Limits, Store, StoreError

PEOPLE, EPOCHS, WITHIN = 30, 150, 5.0
BETWEEN_PAGES = 0.5
STARTS, TABS, LEFT_SOCKETS = 1_000, 30, 100
QUEUE = {"TRAINSCOPE_MAX_WORKERS": str(len(os.sched_getaffinity(0))), "TRAINSCOPE_TURN_SECONDS": "86400"}
TARGETS = {"first_point_p95": 5.0, "done_over_queue": 1.15, "page_p95": 1.0, "dropped": 0, "beside": 1.0}


@dataclass
class Seen:
    """What one contest has shown: seconds, and what went wrong."""

    first_points: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    done: float = 0.0
    trainer_cpu: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)

    def summary(self) -> dict[str, Any]:
        """What is printed of it."""
        found = {
            "first_point_p50": percentile(self.first_points, 50),
            "first_point_p95": percentile(self.first_points, 95),
            "done": round(self.done, 1),
            "trainer_cpu": round(self.trainer_cpu, 1),
            "page_p50": percentile(self.pages, 50),
            "page_p95": percentile(self.pages, 95),
            "pages": len(self.pages),
            "dropped": len(self.dropped),
        }
        return {**found, "refusals": self.refusals.most_common(4)} if self.refusals else found


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which so many of a hundred lie."""
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 2)


async def person(app: WholeApp, number: int, config: RunConfig, seen: Seen) -> None:
    """Presses Start and watches the run until it is over."""
    began = time.perf_counter()
    run = await asyncio.to_thread(app.store.create_run, config, f"person {number}")
    try:
        async with open_socket(app.port, app.token([run])) as ws, asyncio.TaskGroup() as group:
            await ws.send(json.dumps({"type": "subscribe", "runs": [run], "points": 1000}))
            pings = group.create_task(ping_for_ever(ws))
            await watch(ws, began, seen)
            pings.cancel()
    except (OSError, WebSocketException, ExceptionGroup) as error:
        seen.dropped.append(f"run {run}: {error!r}")


async def watch(ws: Any, began: float, seen: Seen) -> None:
    """Notes the first point of the run that a connection shows, and reads on until its end."""
    waiting = True
    async for message in ws:
        if waiting and has_points(message):
            seen.first_points.append(time.perf_counter() - began)
            waiting = False
        elif isinstance(message, str) and (status := json.loads(message).get("status")) in ENDS:
            if status != "finished":
                seen.dropped.append(status)
            return


async def ping_for_ever(ws: Any) -> None:
    """Says now and then that somebody still watches, as a page does."""
    while True:
        await asyncio.sleep(20)
        await ws.send('{"type": "ping"}')


def has_points(message: str | bytes) -> bool:
    """Whether a message of the live connection holds points of a curve."""
    return isinstance(message, bytes) and any(segment.to > 0 for segment in decode(message)[1])


ENDS = ("finished", "failed", "stopped", "interrupted")


async def visitor(app: WholeApp, seen: Seen) -> None:
    """Loads the page again and again: its document, its health check, and a whole run of its script."""

    async def script() -> None:
        await (await open_session(app.port)).close()

    loads: list[Callable[[], Awaitable[object]]] = [
        lambda: asyncio.to_thread(get, app.port, "/"),
        lambda: asyncio.to_thread(get, app.port, "/api/ready"),
        script,
    ]
    while True:
        for load in loads:
            began = time.perf_counter()
            try:
                await asyncio.wait_for(load(), 30)
            except (OSError, TimeoutError) as error:
                seen.dropped.append(f"page: {error!r}")
            else:
                seen.pages.append(time.perf_counter() - began)
            await asyncio.sleep(BETWEEN_PAGES)


def get(port: int, path: str) -> bytes:
    """The body of a page."""
    body: bytes = urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30).read()
    return body


async def hostile(app: WholeApp, seen: Seen) -> None:
    """Does everything at once that a page or a script allows."""
    left = [socket.create_connection(("127.0.0.1", app.port)) for _ in range(LEFT_SOCKETS)]
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(TABS):
                group.create_task(open_session(app.port))
            group.create_task(asyncio.to_thread(start_all, app.store, seen))
            group.create_task(reload_for_ever(app.port))
    finally:
        for one in left:
            one.close()


def start_all(store: Store, seen: Seen) -> None:
    """Presses Start a thousand times, and has long names."""
    for number in range(STARTS):
        with suppress(StoreError):
            store.create_run(RunConfig(seed=number), "hostile")
        try:
            store.create_run(RunConfig(), "hostile", name="x" * 10_000 if number % 10 == 0 else "")
        except StoreError as refused:
            seen.refusals[str(refused)[:60]] += 1


async def reload_for_ever(port: int) -> None:
    """Reloads a tab every second."""
    while True:
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for((await open_session(port)).close(), 10)
        await asyncio.sleep(1)


async def contest(app: WholeApp, people: int, config: RunConfig, *, beside: bool) -> Seen:
    """Lets all start, and waits until they are done."""
    seen = Seen()
    others = [asyncio.create_task(visitor(app, seen))]
    if beside:
        others.append(asyncio.create_task(hostile(app, seen)))
    began, before, starters = time.perf_counter(), app.trainer_cpu(), []
    for number in range(people):
        await asyncio.sleep(max(0.0, began + number * WITHIN / people - time.perf_counter()))
        starters.append(asyncio.create_task(person(app, number, config, seen)))
    await asyncio.gather(*starters)
    seen.done = time.perf_counter() - began
    await asyncio.sleep(1)  # until the last workers have left
    seen.trainer_cpu = app.trainer_cpu() - before
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    return seen


async def first_point(app: WholeApp, owner: str) -> float:
    """The seconds from one person's Start to their first point."""
    began = time.perf_counter()
    run = await asyncio.to_thread(app.store.create_run, RunConfig(), owner)
    async with open_socket(app.port, app.token([run])) as ws:
        await ws.send(json.dumps({"type": "subscribe", "runs": [run], "points": 1000}))
        while not has_points(await ws.recv()):
            pass
    found = time.perf_counter() - began
    app.store.request(run, "stop", by=owner)
    while not app.store.run(run).is_over:
        await asyncio.sleep(0.05)
    return found


async def beside_long_runs(app: WholeApp) -> dict[str, float]:
    """How much later the first point comes beside two long runs of another."""
    alone = [await first_point(app, f"alone {number}") for number in range(5)]
    long = [app.store.create_run(RunConfig(epochs=100_000), "patient") for _ in range(2)]
    await asyncio.sleep(10)
    crowded = [await first_point(app, f"beside {number}") for number in range(5)]
    for run in long:
        app.store.request(run, "stop", by="patient")
    medians = statistics.median(alone), statistics.median(crowded)
    return {
        "alone": round(medians[0], 2),
        "beside": round(medians[1], 2),
        "later": round(medians[1] - medians[0], 2),
    }


def serve(what: Callable[[WholeApp], Awaitable[Any]], settings: dict[str, str]) -> Any:
    """Does something with a fresh server in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(f"sqlite:///{folder / 'trainscope.db'}", limits=Limits(100, 1_000))
        with WholeApp(folder, store, settings) as app:
            found = asyncio.run(what(app))  # type: ignore[arg-type]
        store.close()
    return found


def main(people: int = PEOPLE, epochs: int = EPOCHS) -> None:
    """Runs all contests and prints what they have shown."""
    config = RunConfig(epochs=epochs)
    shared = serve(lambda app: contest(app, people, config, beside=False), {})
    queue = serve(lambda app: contest(app, people, config, beside=False), QUEUE)
    crowded = serve(lambda app: contest(app, people, config, beside=True), {})
    found = {"shared": shared.summary(), "queue": queue.summary(), "hostile": crowded.summary()}
    later = serve(beside_long_runs, {})
    ratios = {
        "done_over_queue": round(shared.done / queue.done, 3),
        "cpu_over_queue": round(shared.trainer_cpu / queue.trainer_cpu, 3),
    }
    print(json.dumps({**found, "beside": later, **ratios, "targets": TARGETS}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
