"""What the supervisor imports once, so that its forks begin to train at once."""

from __future__ import annotations

import importlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor

IMPORTS = (
    "sklearn.datasets", "sklearn.model_selection",  # what reading and splitting the data would wait for
    "torch", "torch._dynamo",  # constructing an optimizer imports it, which takes a second
    "trainer.engine.loop", "trainer.health.observer", "trainer.processes.inspection",
)  # fmt: skip


def prewarm() -> None:
    """Imports what a worker needs, and triggers torch's lazy imports: forks share all of it."""
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # CUDA must not be initialized before a fork
    with ThreadPoolExecutor(1, initializer=_give_way) as thread:
        thread.submit(lambda: [importlib.import_module(name) for name in IMPORTS]).result()
    import torch

    torch.set_num_threads(1)  # one thread a worker, as many workers as cores
    torch.set_num_interop_threads(1)
    weight = torch.nn.Parameter(torch.zeros(1))
    torch.optim.AdamW([weight]).step()
    with torch.no_grad():
        torch.nn.functional.cross_entropy(
            torch.nn.Linear(4, 2)(torch.zeros(2, 4)), torch.zeros(2, dtype=torch.long)
        )


def _give_way() -> None:
    """Lets the first page go first: for seconds after a start, both it and the imports want all cores."""
    if sys.platform == "linux":  # where each thread has a niceness of its own
        os.nice(10)
