"""Keeps a supervisor process beside the web server."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from trainer.lifecycle.states import RunState
from trainer.store import Store

LOG = logging.getLogger(__name__)

ROOT: Final = Path(__file__).parents[2]
STOP_TIMEOUT: Final = 20.0  # seconds for workers to reach the end of a step and save
CHECK_INTERVAL: Final = 3.0  # while another supervisor serves the database
MIN_RESTART_DELAY: Final = 0.5
MAX_RESTART_DELAY: Final = 15.0
STABLE_AFTER: Final = 30.0  # seconds; a supervisor that ran this long is restarted after the shortest delay


class SupervisorProcess:
    """Runs `python -m trainer.processes.supervisor`, and again when it ends, unless another one serves the database.

    Its imports take seconds on all cores, so it starts when what is `first` on them is over, or at once when runs wait for it.
    """

    def __init__(self, store: Callable[[], Store], first: Callable[[], Awaitable[None]]) -> None:
        self._store, self._first = store, first
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts keeping the process running."""
        self._task = asyncio.create_task(self._keep_running(), name="supervisor")

    async def stop(self) -> None:
        """Terminates the process and waits for it; kills it after `STOP_TIMEOUT`."""
        if self._task is not None:
            self._task.cancel()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
        except TimeoutError:
            LOG.warning("The supervisor did not stop within %.0f s; killing it", STOP_TIMEOUT)
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def is_ready(self) -> bool:
        """Returns whether the database answers and a supervisor, this one or another, trains what it holds."""
        try:
            return self._store().supervisor_status() == "ready"
        except Exception as error:
            LOG.warning("Could not read the supervisor's state from the database: %s", error)
            return False

    async def _keep_running(self) -> None:
        if not await asyncio.to_thread(self._is_waited_for):
            await self._first()
        delay = MIN_RESTART_DELAY
        while True:
            if await asyncio.to_thread(self._is_served):
                await asyncio.sleep(CHECK_INTERVAL)
                continue
            started = time.monotonic()
            self._process = await self._launch()
            code = await self._process.wait()
            if code:
                LOG.warning("The supervisor ended with exit code %s; restarting it", code)
            stable = time.monotonic() - started > STABLE_AFTER
            delay = MIN_RESTART_DELAY if stable else min(MAX_RESTART_DELAY, 2 * delay)
            await asyncio.sleep(delay)

    @staticmethod
    async def _launch() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "trainer.processes.supervisor", "--server", str(os.getpid())),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
        )

    def _is_waited_for(self) -> bool:
        """Returns whether there are runs to train."""
        try:
            return any(run.status is not RunState.PAUSED for run in self._store().live())
        except Exception as error:
            LOG.warning("Could not read from the database which runs wait: %s", error)
            return False

    def _is_served(self) -> bool:
        """Returns whether some supervisor serves the database. This server's own takes over when that one ends."""
        try:
            return self._store().supervisor_status() != "absent"
        except Exception as error:
            LOG.warning("Could not read the supervisor's state from the database: %s", error)
            return False
