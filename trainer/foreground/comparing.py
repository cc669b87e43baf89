"""A comparison that trains while somebody waits: on all cores, through a supervisor that lasts as long as that."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

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


def require_trainable(design: Design, settings: Settings) -> None:
    """Raises ConfigError where two arms are alike, and DataError where data is missing."""
    if len({(arm.config.to_json(), arm.vary) for arm in design.arms}) < len(design.arms):
        raise ConfigError("Two arms are alike; give each arm a different change from the baseline.")
    for arm in design.arms:
        require_data(arm.config, settings)


@contextmanager
def supervised(store: Store) -> Iterator[None]:
    """Runs a supervisor for as long as the context, unless one serves the database already. At the end its workers save and
    leave."""
    if store.supervisor_status() != "absent":
        yield
        return
    # In this process's folder, for the sake of relative settings, from which -P imports nothing.
    command = [sys.executable, "-P", "-m", "trainer.processes.supervisor", "--server", str(os.getpid())]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with subprocess.Popen(  # noqa: S603 our own program
        command,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for this process, which pauses the runs first
    ) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(SUPERVISOR_STOP_SECONDS)


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
