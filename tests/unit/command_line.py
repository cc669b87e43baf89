"""The command line as a process, and how to wait for what it trains."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from waiting import PATIENCE, until
from warm_process import WarmProcess

from trainer.store import Store

ROOT = Path(__file__).parents[2]
FAST = ["data=two_moons", "data.samples=60", "model.layers=8", "epochs=3", "device=cpu", "dropout=0.2"]


def executed(home, *arguments):
    """As a person starts it."""
    environment = {**os.environ, "TRAINSCOPE_HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-m", "trainer", *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def started(home, *arguments):
    """The same without the seconds that imports take."""
    folder = Path(tempfile.mkdtemp(dir=home.parent))
    environment = {"TRAINSCOPE_HOME": str(home)}
    return WarmProcess("trainer", [*map(str, arguments)], environment, folder / "out.txt", folder / "err.txt")


def cli(home, *arguments):
    process = started(home, *arguments)
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def wait_for_steps(home, steps):
    """Until run 1 has trained so far, as its committed points tell."""
    database = home / "trainscope.db"
    until(database.exists, "the run did not get going")
    store = Store(f"sqlite:///{database}")
    until(lambda: store.last_step(1, "step") >= steps, "the run did not get that far")
    store.close()
