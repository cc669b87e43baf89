"""A supervisor with real workers in a folder of its own, and the means to do it harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from waiting import PATIENCE, until
from warm_process import WarmProcess

from trainer.metrics.registry import metrics
from trainer.settings import Settings
from trainer.store import Run, Store
from trainer.store.file_lock import is_locked

ROOT = Path(__file__).parent.parent.parent

SERVER = """
import os, subprocess, sys
subprocess.run([sys.executable, "-m", "trainer.processes.supervisor", "--server", str(os.getpid())])
"""

CONFIG: dict[str, Any] = {
    "seed": 3,
    "epochs": 30,  # of 40 steps
    "pace": 300,
    "dropout": {"name": "dropout", "rate": 0.2},
    "optimizer": {"name": "adamw"},
    "schedule": {"name": "cosine"},
    "normalization": {"name": "batch"},
}


@dataclass(frozen=True)
class Outcome:
    """All that must be the same however often a run was disturbed."""

    curves: dict[str, np.ndarray]
    weights: Mapping[str, torch.Tensor]


class Lab:
    """One home folder with its database and supervisor."""

    def __init__(self, home: Path, database_url: str = "", workers: int = 2, turn: float = 15.0) -> None:
        self.settings = Settings(home=home, database_url=database_url, max_workers=workers, turn_seconds=turn)
        self.default_workers = False
        self.store = Store(self.settings.url)
        self.supervisors: list[WarmProcess | subprocess.Popen[bytes]] = []

    def start(self, wait: bool = True, program: str | Path = "trainer.processes.supervisor") -> WarmProcess:
        """Start a supervisor, as a user would, and wait until it serves."""
        log = self.settings.home / "supervisor.log"
        process = WarmProcess(program, [], self._environment, log, log)
        self.supervisors.append(process)
        if wait:
            self.until(lambda: self.store.supervisor_status() == "ready")
        return process

    def start_by_server(self) -> subprocess.Popen[bytes]:
        """Start a supervisor as the web server does: a child that knows its parent. Returns the parent."""
        with (self.settings.home / "supervisor.log").open("ab") as log:
            command = [sys.executable, "-c", SERVER]
            server = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **self._environment}, stdout=log, stderr=log
            )
        self.supervisors.append(server)
        self.until(lambda: self.store.supervisor_status() == "ready")
        return server

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "TRAINSCOPE_HOME": str(self.settings.home),
            "TRAINSCOPE_DATABASE_URL": self.settings.database_url,
            "TRAINSCOPE_MAX_WORKERS": "" if self.default_workers else str(self.settings.max_workers),
            "TRAINSCOPE_TURN_SECONDS": str(self.settings.turn_seconds),
        }

    def log(self) -> str:
        """What the supervisors have said."""
        return (self.settings.home / "supervisor.log").read_text()

    def create(self, owner: str = "ada", **changes: Any) -> int:
        """Queue a run of CONFIG with changes."""
        return self.store.create_run(CONFIG | changes, owner)

    def worker(self, run_id: int) -> int | None:
        """Process id of whoever trains the run now."""
        path = self.settings.run_folder(run_id) / "lock"
        text = path.read_text().strip() if is_locked(path) else ""
        return int(text) if text else None

    def kill_worker(self, run_id: int) -> bool:
        """kill -9 the run's worker, if it has one at this moment."""
        if (pid := self.worker(run_id)) is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def until(self, condition: Callable[[], Any]) -> None:
        """Wait for something that must come true."""
        until(condition, lambda: f"waited too long; the supervisor said:\n{self.log()}")

    def past(self, run_id: int, step: int) -> None:
        """Wait until the run has committed this step."""
        self.until(lambda: self.store.last_step(run_id, "step") >= step)

    def end(self, run_id: int) -> Run:
        """Wait until the run is over."""
        self.until(lambda: self.store.run(run_id).is_over)
        return self.store.run(run_id)

    def curves(self, run_id: int) -> dict[str, np.ndarray]:
        """All points without what depends on the clock, which no two runs share."""
        found = {}
        for kind in ("step", "epoch"):
            points = self.store.read_points(run_id, kind)
            known = metrics(kind)
            keep = [index for index, name in enumerate(points.columns) if not known[name].clock]
            found[kind] = points.array[:, keep]
        return found

    def weights(self, run_id: int) -> Mapping[str, torch.Tensor]:
        """The final weights, from the checkpoint."""
        path = self.settings.run_folder(run_id) / "checkpoint.pt"
        return torch.load(path, weights_only=True)["model"]

    def outcome(self, run_id: int) -> Outcome:
        """What a run leaves behind."""
        return Outcome(self.curves(run_id), self.weights(run_id))

    def assert_equal(self, run_id: int, undisturbed: Outcome) -> None:
        """The run has the same curves and weights as one that nobody disturbed, bit for bit."""
        mine = self.curves(run_id)
        assert np.array_equal(np.diff(mine["step"][:, 0]), np.ones(len(mine["step"]) - 1)), "a hole"
        for kind, points in undisturbed.curves.items():
            assert mine[kind].tobytes() == points.tobytes(), f"the {kind} curves differ"
        weights = self.weights(run_id)
        assert weights.keys() == undisturbed.weights.keys()
        assert all(torch.equal(tensor, weights[name]) for name, tensor in undisturbed.weights.items())

    def close(self) -> None:
        """Stop what was started here."""
        for process in self.supervisors:
            if process.poll() is None:
                process.terminate()
        for process in self.supervisors:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        self.store.close()
