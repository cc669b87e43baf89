"""What the supervisor imports once, so that its forks begin to train at once."""

from __future__ import annotations

import importlib
import os

WORKER_IMPORTS = (
    "trainer.engine.loop",
    "trainer.engine.stack.together",
    "trainer.health.observer",
    "trainer.processes.inspection",
)


def prewarm() -> None:
    """Imports what a worker needs, and triggers torch's lazy imports: forks share all of it."""
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # CUDA must not be initialized before a fork
    import sklearn.datasets
    import sklearn.model_selection  # noqa: F401 (both: what reading and splitting the data would wait for)
    import torch

    torch.set_num_threads(1)  # one thread a worker, as many workers as cores
    torch.set_num_interop_threads(1)
    import torch._dynamo  # constructing an optimizer imports it, which takes a second

    for name in WORKER_IMPORTS:
        importlib.import_module(name)
    weight = torch.nn.Parameter(torch.zeros(1))
    torch.optim.AdamW([weight]).step()
    with torch.no_grad():
        torch.nn.functional.cross_entropy(
            torch.nn.Linear(4, 2)(torch.zeros(2, 4)), torch.zeros(2, dtype=torch.long)
        )
