"""Read by a Python in the container: queues runs as a page would, and tells how they are.

`create [STEPS_PER_SECOND]` prints the id of a new run; `past ID STEP` waits until that step is in the database; `end ID` waits
for the end and prints the attempts that it took and a digest of its curves; `saved ID` prints the last step in the database
and the one of the checkpoint.
"""

import hashlib
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from trainer.lifecycle.states import RunState
from trainer.metrics.registry import metrics
from trainer.settings import get_settings
from trainer.store import Store

PATIENCE = 240  # seconds
CONFIG = {"seed": 3, "epochs": 30, "dropout": 0.2, "normalization": "batch", "schedule": "cosine"}

settings = get_settings()
store = Store(settings.url)


def create(pace: str = "20") -> str:
    return str(store.create_run({**CONFIG, "pace": int(pace)}, "probe"))


def past(run_id: str, step: str) -> str:
    _until(lambda: store.last_step(int(run_id), "step") >= int(step), f"run {run_id} to reach step {step}")
    return ""


def end(run_id: str) -> str:
    _until(lambda: store.run(int(run_id)).is_over, f"run {run_id} to end")
    run = store.run(int(run_id))
    if run.status is not RunState.FINISHED:
        sys.exit(f"Run {run_id} is {run.status}: {run.error}")
    return f"{run.attempt} {_digest(run.id)}"


def saved(run_id: str) -> str:
    checkpoint = torch.load(settings.run_folder(int(run_id)) / "checkpoint.pt", weights_only=True)
    return f"{store.last_step(int(run_id), 'step')} {checkpoint['state']['step']}"


def _digest(run_id: int) -> str:
    """All points but what depends on the clock, which no two runs share."""
    digest = hashlib.sha256()
    for kind in ("step", "epoch"):
        points, known = store.read_points(run_id, kind), metrics(kind)
        steps = points.array[:, 0]
        if not np.array_equal(np.diff(steps), np.ones(len(steps) - 1)) and kind == "step":
            sys.exit(f"The curve of run {run_id} has a hole.")
        keep = [index for index, name in enumerate(points.columns) if not known[name].clock]
        digest.update(points.array[:, keep].tobytes())
    return digest.hexdigest()[:16]


def _until(condition: Callable[[], bool], what: str) -> None:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE:
            sys.exit(f"Waited {PATIENCE} s for {what}.")
        time.sleep(0.1)


question, *arguments = sys.argv[1:]
print({"create": create, "past": past, "end": end, "saved": saved}[question](*arguments))
