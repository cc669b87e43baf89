"""The live routes in a server process of their own, for the benchmarks."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from websockets.asyncio.client import connect

from pages.tokens import Tokens
from trainer.store import Store

ROOT = Path(__file__).parent.parent.parent
SECRET = "bench"


class Served:
    """Serves `store`'s database while the block lasts; knows what CPU time it took."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.url = f"sqlite:///{store.engine.url.database}"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def __enter__(self) -> Served:
        command = [sys.executable, "-m", "tests.bench.live_server", self.url, str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT)
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
        self.process.wait(10)

    def cpu(self) -> float:
        """CPU seconds that the process has used."""
        times = self.meter.cpu_times()
        return times.user + times.system

    def token(self, runs: list[int]) -> str:
        return Tokens(SECRET).issue("bench", runs)


@asynccontextmanager
async def open_socket(port: int, token: str) -> Any:
    """A connection that has said who it is."""
    async with connect(f"ws://127.0.0.1:{port}/api/live", max_size=None, compression=None) as ws:
        await ws.send(json.dumps({"type": "auth", "token": token}))
        assert json.loads(await ws.recv())["t"] == "ready"
        yield ws


def serve(url: str, port: int) -> None:
    import uvicorn
    from starlette.applications import Starlette

    from pages.api import Api

    store = Store(url)
    api = Api(lambda: store, lambda: Tokens(SECRET), lambda: {"state": "bench"})
    app = Starlette(routes=api.routes())
    uvicorn.run(app, port=port, log_level="error", ws="websockets-sansio", access_log=False)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
