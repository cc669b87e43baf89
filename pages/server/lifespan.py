"""What runs beside the pages for as long as the server does: the supervisor's process, and the pages' one store."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from starlette.routing import BaseRoute
from streamlit import config

from pages.live.routes import Api
from pages.live.tokens import tokens_for
from pages.server import assets
from pages.server.visitor import COOKIE
from trainer.settings import get_settings
from trainer.store import Store

LOG = logging.getLogger(__name__)

ROOT: Final = Path(__file__).parents[2]
STOP_SECONDS: Final = 20.0  # for workers to reach the end of a step and save; then no more patience
STEADY: Final = 30.0  # a supervisor that lived this long is started again at once when it dies
LONGEST_WAIT: Final = 15.0
LOOK_AGAIN: Final = 3.0
FIRST_IMPORTS: Final = ("pages.train", "pages.runs")  # what the first script run would otherwise wait for


@lru_cache(maxsize=1)
def store() -> Store:
    """The store of this process, for pages and for the live charts; threads share it."""
    return Store(get_settings().url)


class SupervisorProcess:
    """Keeps `python -m trainer.processes.supervisor` running, unless another one serves the database."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to keep it running."""
        self._task = asyncio.create_task(self._keep(), name="supervisor")

    async def stop(self) -> None:
        """Ask it to end, wait, and end it by force when it does not."""
        if self._task is not None:
            self._task.cancel()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            LOG.warning("The supervisor did not stop within %.0f s and is ended by force", STOP_SECONDS)
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def state(self) -> dict[str, Any]:
        """For the health check: whose supervisor serves the database, and what it says of itself."""
        own = self._process is not None and self._process.returncode is None
        try:
            said = store().supervisor_status()
        except Exception as error:
            said = f"unknown ({type(error).__name__})"
        return {"state": said, "own": own, "pid": self._process.pid if own and self._process else None}

    async def _keep(self) -> None:
        wait = 0.5
        while True:
            if await asyncio.to_thread(self._served):
                await asyncio.sleep(LOOK_AGAIN)
                continue
            began = time.monotonic()
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "trainer.processes.supervisor", "--server", str(os.getpid())),
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
            )
            code = await self._process.wait()
            if code:
                LOG.warning("The supervisor ended with code %s and is started again", code)
            wait = 0.5 if time.monotonic() - began > STEADY else min(LONGEST_WAIT, 2 * wait)
            await asyncio.sleep(wait)

    def _served(self) -> bool:
        """Whether some supervisor serves the database; when it ends one day, this server's own takes over."""
        try:
            return store().supervisor_status() != "absent"
        except Exception as error:
            LOG.warning("Could not ask the database for its supervisor: %s", error)
            return False


supervisor = SupervisorProcess()
api = Api(
    store,
    lambda: tokens_for(get_settings().home),
    supervisor.state,
    visitor=lambda socket: socket.cookies.get(COOKIE),
)


def routes() -> list[BaseRoute]:
    """For `streamlit.App(routes=…)`, which does not put the server's base path before them."""
    base = f"/{config.get_option('server.baseUrlPath') or ''}".rstrip("/")
    return [*api.routes(base), *assets.routes(base)]


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Start the supervisor with the server and stop it with it."""
    # A collection after every script run took most of a tick with ten live sessions; Python's own rhythm will do.
    config.set_option("runner.postScriptGC", False)
    supervisor.start()
    warming = asyncio.create_task(asyncio.to_thread(_warm_up), name="warm-up")
    freezing = asyncio.create_task(_freeze_when_warm(), name="gc-freeze")
    try:
        yield {}
    finally:
        warming.cancel()
        freezing.cancel()
        await api.close()
        await supervisor.stop()


def _warm_up() -> None:
    """Do what the first page needs while its browser still loads Streamlit's scripts, which takes longer."""
    try:
        for name in FIRST_IMPORTS:
            importlib.import_module(name)
        assets.warm_up()
    except Exception:  # the page itself tells the person
        LOG.exception("Could not prepare the first page")


async def _freeze_when_warm() -> None:
    """Take modules and other long-lived objects out of the collector's way, once the first page has loaded them."""
    for pause in (5, 60):
        await asyncio.sleep(pause)
        gc.collect()
        gc.freeze()
