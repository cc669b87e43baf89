"""A comparison that trains while somebody waits: on all cores, through a supervisor that lasts as long as that."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError

from trainer.comparison.design import Design
from trainer.config import ConfigError
from trainer.foreground.requirements import require_data
from trainer.lifecycle.states import RunState
from trainer.settings import Settings
from trainer.store import Run, Store

ROOT: Final = Path(__file__).parents[2]
POLL: Final = 0.2
"""Seconds between two polls of the runs."""
SUPERVISOR_STOP_SECONDS: Final = 30
ABSENCE: Final = 1.0
"""Seconds between two looks whether a supervisor is needed."""


def require_trainable(design: Design, settings: Settings) -> None:
    """Raises ConfigError where two arms are alike, and DataError where data is missing."""
    if len({(arm.config.to_json(), arm.vary) for arm in design.arms}) < len(design.arms):
        raise ConfigError("Two arms are alike; give each arm a different change from the baseline.")
    for arm in design.arms:
        require_data(arm.config, settings)


@contextmanager
def supervised(store: Store) -> Iterator[None]:
    """Runs a supervisor for as long as the context, but while another one serves the database; that one may end at any time. At
    the end its workers save and leave."""
    over = threading.Event()
    keeper = threading.Thread(target=_keep_supervised, args=(store, over), name="supervised", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def _keep_supervised(store: Store, over: threading.Event) -> None:
    process: subprocess.Popen[bytes] | None = None
    while not over.is_set():
        with suppress(DBAPIError):  # whoever waits is told by reads of their own
            if (process is None or process.poll() is not None) and store.supervisor_status() == "absent":
                process = _start_supervisor()
        over.wait(ABSENCE)
    if process is not None:
        process.terminate()
        process.wait(SUPERVISOR_STOP_SECONDS)


def _start_supervisor() -> subprocess.Popen[bytes]:
    # In this process's folder, for the sake of relative settings, from which -P imports nothing.
    command = [sys.executable, "-P", "-m", "trainer.processes.supervisor", "--server", str(os.getpid())]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(  # noqa: S603 our own program
        command,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for this process, which pauses the runs first
    )


def follow(store: Store, comparison_id: int, show: Callable[[Sequence[Run]], None]) -> bool:
    """Calls `show` with the runs a few times a second until every one is over, or all that are left are paused. Returns whether
    they are over."""
    while True:
        runs = [one.run for one in store.members(comparison_id)]
        show(runs)
        left = {run.status for run in runs if not run.is_over}
        if left <= {RunState.PAUSED}:
            return not left
        time.sleep(POLL)
