"""A run's curves as tables that other programs read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from trainer.export.events import event_file
from trainer.lazy import lazy
from trainer.metrics.registry import KINDS, metrics
from trainer.store import Points, Run, Store

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")


def frame(points: Points) -> pd.DataFrame:
    """Points as a table; whole numbers stay whole."""
    whole = {one.name for kind in KINDS for one in metrics(kind).values() if one.whole}
    found = pd.DataFrame(points.array, columns=list(points.columns))
    return found.astype(dict.fromkeys(whole & set(points.columns), "int64"))


def table(store: Store, run: Run) -> pd.DataFrame:
    """A row for each step; what is measured once an epoch stands in the row of its last step and is empty elsewhere."""
    steps, epochs = (frame(store.read_points(run.id, kind)) for kind in KINDS)
    both = [name for name in epochs if name in steps and name != "step"]
    return steps.merge(epochs.drop(columns=both), on="step", how="outer")


def as_csv(store: Store, run: Run) -> bytes:
    """Comma-separated values; every number has all its digits."""
    return bytes(table(store, run).astype({"epoch": "Int64"}).to_csv(index=False).encode())


def as_parquet(store: Store, run: Run) -> bytes:
    """Apache Parquet, compressed by columns."""
    out = io.BytesIO()
    table(store, run).to_parquet(out, index=False)
    return out.getvalue()


def as_events(store: Store, run: Run) -> bytes:
    """An event file for TensorBoard."""
    began = (run.started or run.created).timestamp()
    return event_file([(kind, store.read_points(run.id, kind)) for kind in KINDS], began)
