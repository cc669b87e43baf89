"""Processes of the product that need not import torch first: forks of one that has, by the standard library's fork server.

What they run, and how they end, is as with `python -m MODULE` or `python FILE`; only the seconds that each would spend on
imports are saved. Tests of the command itself execute it.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from waiting import PATIENCE, until

from trainer.store import Store

ROOT = Path(__file__).parents[1]
IMPORTED = (
    "sklearn.datasets",
    "sklearn.model_selection",
    "torch._dynamo",
    "trainer.engine.loop",
    "trainer.health.observer",
)

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([*IMPORTED, "trainer.processes.inspection", "trainer.processes.inspector"])


class WarmProcess:
    """A module or a file with its arguments in a folder, with the methods of `subprocess.Popen`. Output is appended to the files
    `out` and `err`. `environment` adds to this process's own; None takes a variable out."""

    def __init__(
        self,
        program: str | Path,
        arguments: Sequence[str],
        environment: Mapping[str, str | None],
        out: Path,
        err: Path,
        folder: Path = ROOT,
    ) -> None:
        self.out, self.err = out, err
        both = {**os.environ, **environment}
        known = {name: value for name, value in both.items() if value is not None}
        started = (program, list(arguments), known, out, err, folder)
        self._process = _forks.Process(target=_run, args=started)
        self._process.start()
        self.pid = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """Exit code, or minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    poll = returncode.fget  # type: ignore[assignment]

    def wait(self, timeout: float | None = None) -> int:
        """Returns the exit code. Raises TimeoutExpired."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Waits for the end, and returns what was written to standard output and error."""
        self.wait(timeout)
        return self.out.read_text(), self.err.read_text()

    def send_signal(self, number: int) -> None:
        """Sends a signal to a process that still runs."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Sends SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Sends SIGKILL."""
        self._process.kill()


@contextmanager
def warm_supervisor(home: Path) -> Iterator[None]:
    """A supervisor that serves a home, so that a command that trains there need not start one of its own."""
    home.mkdir(exist_ok=True)
    log = home / "supervisor.log"
    process = WarmProcess("trainer.processes.supervisor", [], {"TRAINSCOPE_HOME": str(home)}, log, log)
    store = Store(f"sqlite:///{home / 'trainscope.db'}")
    until(lambda: store.supervisor_status() == "ready", log.read_text)
    store.close()
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _run(
    program: str | Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    out: Path,
    err: Path,
    folder: Path,
) -> None:
    for path, stream in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [str(program), *arguments]
    try:
        if isinstance(program, Path):
            runpy.run_path(str(program), run_name="__main__")
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # which multiprocessing leaves out
