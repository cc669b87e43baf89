"""Comparisons in a store whose runs end as a test says, without training."""

import numpy as np

from trainer.comparison.analysis import start
from trainer.comparison.design import make_design
from trainer.config import RunConfig
from trainer.metrics.registry import columns
from trainer.store import Batch

BASE = RunConfig.from_flat({"data": "two_moons", "epochs": 3})
BATCH_NORM = BASE.changed({"normalization": "batch"})
ARMS = {"baseline": BASE, "batch norm": BATCH_NORM}


def begin(store, arms=None, seeds=6, owner="ada", **choices):
    """A comparison whose runs are queued."""
    return start(store, make_design(arms or ARMS, seeds, **choices), owner, "A question")


def train_epochs(store, run, epochs):
    """Claims a queued run, and records epochs with these validation losses."""
    attempt, names = store.claim(run.id), columns("epoch")
    rows = [
        [float(number) if name in ("step", "epoch", "seconds") else value for name in names]
        for number, value in enumerate(epochs, start=1)
    ]
    if rows:
        store.record(run.id, attempt, [Batch("epoch", names, np.array(rows))])


def end_run(store, run, loss, *, stopped_by="epochs", epochs=()):
    """Ends a run with this lowest validation loss; one that is queued after epochs with these."""
    if store.run(run.id).status == "queued":
        train_epochs(store, run, epochs)
    attempt = store.run(run.id).attempt
    results = {
        "stopped_by": stopped_by,
        "best": {} if loss is None else {"val_loss": loss, "val_metric": 0.9, "epoch": 3},
        "train": {"loss": loss, "metric": 0.9},
        "validation": {"loss": loss, "metric": 0.9},
        "test": {"loss": loss, "metric": 0.9},
        "metric": "accuracy",
        "unit": "",
        "seconds": 2.0,
        "steps_per_second": 100.0,
        "parameters": 17,
    }
    status = {"epochs": "finished", "stop": "stopped"}.get(stopped_by, "failed")
    store.finish(run.id, attempt, status, results)


def end_all(store, comparison_id, loss):
    """Ends every queued run with the loss that `loss(arm, replicate)` returns; None leaves the run queued."""
    for arm, replicate, run in store.members(comparison_id):
        if run.status == "queued" and (value := loss(arm, replicate)) is not None:
            end_run(store, run, value)
