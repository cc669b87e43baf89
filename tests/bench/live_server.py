"""Servers in a process of their own for the benchmarks: the live routes alone, or the whole app with its sessions."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from pages.live.connection import PROTOCOL
from pages.live.tokens import Tokens, tokens_for
from trainer.store import Store
from trainer.store.supervisor_lock import supervisor_lock

ROOT = Path(__file__).parent.parent.parent
SECRET = "bench"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Served:
    """Serves `store`'s database while the block lasts; knows what CPU time it took."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        self.url = f"sqlite:///{store.engine.url.database}"
        self.port = free_port()

    def __enter__(self) -> Served:
        self.process = self.start()
        self.meter = psutil.Process(self.process.pid)
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/health").read()
                return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("the server did not start")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.bench.live_server", self.url, str(self.port)]
        return subprocess.Popen(command, cwd=ROOT)

    def cpu(self) -> float:
        """CPU seconds that the process has used."""
        times = self.meter.cpu_times()
        return times.user + times.system

    def token(self, runs: list[int]) -> str:
        return Tokens(SECRET).issue("bench", runs)


class ServedApp(Served):
    """`streamlit run app.py`, without a supervisor: the benchmark holds its lock and plays the workers itself."""

    def start(self) -> subprocess.Popen[bytes]:
        self.guard = supervisor_lock(self.store)
        assert self.guard.acquire()
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port)]
        environment = {**os.environ, "TRAINSCOPE_HOME": str(self.folder), "TRAINSCOPE_DATABASE_URL": self.url}
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.guard.release()

    def token(self, runs: list[int]) -> str:
        return tokens_for(self.folder).issue("bench", runs)


class WholeApp(Served):
    """`streamlit run app.py` as a user starts it: with its own supervisor, and `settings` from the environment."""

    def __init__(self, folder: Path, store: Store, settings: Mapping[str, str]) -> None:
        super().__init__(folder, store)
        self.settings = settings

    def __enter__(self) -> WholeApp:
        super().__enter__()
        while self.store.supervisor_status() != "ready":
            time.sleep(0.05)
        return self

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port)]
        environment = {**os.environ, "TRAINSCOPE_HOME": str(self.folder), **self.settings}
        log = (self.folder / "server.log").open("ab")
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def trainer_cpu(self) -> float:
        """CPU seconds of the supervisor, and of its workers that have ended."""
        (supervisor,) = self.meter.children()
        times = supervisor.cpu_times()
        return times.user + times.system + times.children_user + times.children_system

    def token(self, runs: list[int]) -> str:
        return tokens_for(self.folder).issue("bench", runs)


async def open_session(port: int) -> ClientConnection:
    """A Streamlit session whose script has run once, as a browser's would; it stays open."""
    session = await connect(
        f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], max_size=None
    )
    message = BackMsg()
    message.rerun_script.query_string = ""
    await session.send(message.SerializeToString())
    while True:
        told = ForwardMsg()
        told.ParseFromString(await session.recv())
        if told.WhichOneof("type") == "script_finished":
            return session


@asynccontextmanager
async def open_socket(port: int, token: str) -> Any:
    """A connection that has said who it is."""
    async with connect(f"ws://127.0.0.1:{port}/api/live", max_size=None, compression=None) as ws:
        await ws.send(json.dumps({"type": "auth", "protocol": PROTOCOL, "token": token}))
        assert json.loads(await ws.recv())["t"] == "ready"
        yield ws


def serve(url: str, port: int) -> None:
    import uvicorn
    from starlette.applications import Starlette

    from pages.live.routes import Api
    from pages.server import assets

    store = Store(url)
    api = Api(lambda: store, lambda: Tokens(SECRET), lambda: True)
    app = Starlette(routes=[*api.routes(""), *assets.routes("")])
    uvicorn.run(app, port=port, log_level="error", ws="websockets-sansio", access_log=False)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
