"""Thirty cold browsers within ten seconds beside two training workers: when can each of them press Start?

One real Chromium visits first, and what it requests is recorded. Thirty visitors then replay that, ten seconds long one after
the other: the page; the files that it names, over six connections; Streamlit's socket with the first run of the script, until it
ends; the files that only its messages name; and the live socket, until the curves of the runs under way have come. A browser's
own work, which thirty machines would do, is left out: the browser of the recording tells it. Prints one JSON line with the
server's CPU time, bytes and requests for each visitor, and with the stages at which a visitor was how soon.

`python tests/bench/thirty_arrive.py VISITORS` takes another number than 30.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
from playwright.sync_api import Browser, sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from pages.live.connection import PROTOCOL
from pages.server.visitor import COOKIE
from tests.bench.browser_latency import (
    FLAGS,
    STAGES,
    answers,
    serving,
    spread,
    visiting,
    wait_for,
    wait_until_ready,
)
from trainer.config import RunConfig
from trainer.lifecycle.states import RunState
from trainer.store import COMMAND_LINE, Store

VISITORS, SECONDS, WORKERS = 30, 10.0, 2
CONNECTIONS = 6  # of a browser to one server
SOCKET, LIVE = "/_stcore/stream", "/api/live"
NOT_SENT = ("host", "cookie", "connection")  # replayed requests have their own
PATIENCE = 120.0
TARGETS = {"ready_s.p95": 8.0, "failed": 0}


# -- what a real browser requests ---------------------------------------------------------------------------


@dataclass
class Visit:
    """The requests of one visit, in their order: before Streamlit's socket was opened, and after."""

    page: dict[str, str]
    """The headers of the request for the page."""
    before: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    after: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    live: bool = False
    """Whether it opened the live socket."""


def record(browser: Browser, url: str) -> tuple[Visit, dict[str, float]]:
    """Visits with the real browser; returns what it requested, and its own stages."""
    sent: dict[str, str] = {}
    headers: dict[str, dict[str, str]] = {}
    sockets: list[tuple[int, str]] = []

    def on_request(event: dict[str, Any]) -> None:
        sent[event["requestId"]] = event["request"]["url"]

    def on_headers(event: dict[str, Any]) -> None:
        headers[event["requestId"]] = event["headers"]

    with visiting(browser, "about:blank") as page:
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.on("Network.requestWillBeSent", on_request)
        network.on("Network.requestWillBeSentExtraInfo", on_headers)
        network.on("Network.webSocketCreated", lambda event: sockets.append((len(sent), event["url"])))
        page.goto(url, wait_until="commit")
        wait_until_ready(page)
        page.wait_for_timeout(2000)
        stages = page.evaluate(STAGES)
    ours = [
        (_path(address), headers[id])
        for id, address in sent.items()
        if id in headers and address.startswith(url)
    ]
    opened = next(at for at, address in sockets if SOCKET in address)
    earlier = {_path(address) for address in list(sent.values())[:opened]}
    visit = Visit(ours[0][1], live=any(LIVE in address for _, address in sockets))
    for path, its_headers in ours[1:]:
        if SOCKET not in path and LIVE not in path:
            (visit.before if path in earlier else visit.after).append((path, its_headers))
    return visit, stages


def _path(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


# -- thirty that request the same ---------------------------------------------------------------------------


class Visitor:
    """Replays a visit, and notes when each stage was over."""

    def __init__(self, port: int, visit: Visit) -> None:
        self._port, self._visit = port, visit
        self._cookie = ""
        self.began = 0.0
        self.stages: dict[str, float] = {}
        self.bytes = self.requests = 0
        self.sockets: list[Any] = []

    async def arrive(self, delay: float) -> None:
        await asyncio.sleep(delay)
        self.began = time.perf_counter()
        await self._fetch([("/", self._visit.page)], 1)
        self._note("page")
        await self._fetch(self._visit.before, CONNECTIONS)
        self._note("files")
        token = await self._run_script()
        self._note("script")
        await asyncio.gather(self._fetch(self._visit.after, CONNECTIONS), self._watch(token))
        self._note("ready")

    def _note(self, stage: str) -> None:
        self.stages[stage] = time.perf_counter() - self.began

    async def _fetch(self, requests: list[tuple[str, dict[str, str]]], connections: int) -> None:
        due = deque(requests)
        await asyncio.gather(*(self._fetch_some(due) for _ in range(min(connections, len(due)))))

    async def _fetch_some(self, due: deque[tuple[str, dict[str, str]]]) -> None:
        """Requests one file after the other over one connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while due:
                path, headers = due.popleft()
                lines = [f"{name}: {value}" for name, value in headers.items() if _is_sent(name)]
                lines += [
                    f"Host: 127.0.0.1:{self._port}",
                    *([f"Cookie: {self._cookie}"] if self._cookie else []),
                ]
                writer.write("\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode())
                await self._read(reader, path)
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, path: str) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        assert status.split()[1] in ("200", "304"), f"{path}: {status}"
        if headers.get("transfer-encoding") == "chunked":
            size = 0
            while count := int(await reader.readline(), 16):
                await reader.readexactly(count + 2)
                size += count
            await reader.readline()
        else:
            size = int(headers.get("content-length", 0))
            await reader.readexactly(size)
        self.requests += 1
        self.bytes += len(head) + size
        if COOKIE in headers.get("set-cookie", ""):
            original = next(line for line in lines if line.lower().startswith("set-cookie"))
            self._cookie = original.split(": ", 1)[1].partition(";")[0]

    async def _run_script(self) -> tuple[str, list[int]]:
        """Opens Streamlit's socket and runs the script once; returns the live socket's token and its runs."""
        socket = await connect(
            f"ws://127.0.0.1:{self._port}{SOCKET}",
            subprotocols=["streamlit"],
            max_size=None,
            additional_headers={"Cookie": self._cookie},
        )
        self.sockets.append(socket)
        message, found = BackMsg(), ("", [])
        message.rerun_script.query_string = ""
        await socket.send(message.SerializeToString())
        while True:
            data = await socket.recv()
            self.bytes += len(data)
            told = ForwardMsg()
            told.ParseFromString(data)
            if told.WhichOneof("type") == "script_finished":
                return found
            if '"token"' in (text := told.delta.new_element.bidi_component.json):
                (panel,) = json.loads(text)
                found = panel["token"], [run["id"] for run in panel["runs"]]

    async def _watch(self, grant: tuple[str, list[int]]) -> None:
        """Opens the live socket, as the charts do, and waits for a snapshot of each run."""
        token, runs = grant
        if not self._visit.live:
            return
        socket = await connect(f"ws://127.0.0.1:{self._port}{LIVE}", max_size=None, compression=None)
        self.sockets.append(socket)
        await socket.send(json.dumps({"type": "auth", "protocol": PROTOCOL, "token": token}))
        await socket.send(json.dumps({"type": "subscribe", "runs": runs, "points": 600}))
        missing = len(runs)
        while missing:
            data = await socket.recv()
            self.bytes += len(data)
            missing -= isinstance(data, bytes) and b'"snapshot"' in data[:2000]


def _is_sent(name: str) -> bool:
    return not name.startswith(":") and name.lower() not in NOT_SENT


async def arrive_together(port: int, visit: Visit, count: int) -> tuple[list[Visitor], int]:
    """Returns the visitors, and how many of them failed. The tabs of the first stay open until the last is ready."""
    visitors = [Visitor(port, visit) for _ in range(count)]
    arrivals = (one.arrive(SECONDS * place / count) for place, one in enumerate(visitors))
    done = await asyncio.wait_for(asyncio.gather(*arrivals, return_exceptions=True), PATIENCE)
    for error in (one for one in done if isinstance(one, BaseException)):
        print(f"failed: {error!r}", file=sys.stderr)
    await asyncio.gather(*(socket.close() for one in visitors for socket in one.sockets))
    return visitors, sum(isinstance(one, BaseException) for one in done)


# -- the scene ----------------------------------------------------------------------------------------------


@contextmanager
def training(home: Path) -> Iterator[None]:
    """Two runs under way, which must outlast the benchmark."""
    store = Store(f"sqlite:///{home}/trainscope.db")
    config = RunConfig.from_flat({"epochs": 100_000})
    runs = [store.create_run(config, COMMAND_LINE) for _ in range(WORKERS)]
    wait_for(lambda: all(store.run(run).progress.get("step", 0) > 100 for run in runs))
    try:
        yield
        assert all(store.run(run).status is RunState.RUNNING for run in runs), "a run ended too early"
    finally:
        store.close()


def cpu(server: psutil.Process) -> float:
    times = server.cpu_times()
    return times.user + times.system


def main(count: int) -> None:
    os.environ["TRAINSCOPE_MAX_WORKERS"] = str(WORKERS)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "home") as (server, url, _):
        wait_for(lambda: answers(f"{url}api/ready"))
        with training(Path(folder) / "home"):
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
                visit, stages = record(browser, url)
                browser.close()
            before = cpu(server)
            time.sleep(SECONDS)
            idle = (cpu(server) - before) / SECONDS
            before, began = cpu(server), time.perf_counter()
            visitors, failed = asyncio.run(arrive_together(urlsplit(url).port or 80, visit, count))
            used = cpu(server) - before - idle * (time.perf_counter() - began)
    ready = [one for one in visitors if "ready" in one.stages]
    waits = {stage: [one.stages[stage] for one in ready] for stage in ("page", "files", "script", "ready")}
    print(
        json.dumps(
            {
                "bench": "thirty_arrive",
                "visitors": count,
                "ready_s": spread(waits["ready"]),
                "stages_p95_s": {
                    name: round(float(np.quantile(one, 0.95)), 3) for name, one in waits.items()
                },
                "failed": failed,
                "live_sockets": visit.live,
                "requests_each": int(np.median([one.requests for one in ready])),
                "megabytes_each": round(float(np.median([one.bytes for one in ready])) / 1e6, 3),
                "server_cpu_s_each": round(used / count, 4),
                "server_cores_before": round(idle, 3),
                "real_browser_s": {name: round(value, 3) for name, value in stages.items()},
                "load": round(os.getloadavg()[0], 2),
                "targets": TARGETS,
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else VISITORS)
