"""Where a branch comes from, in words."""

from __future__ import annotations

from trainer.describe.labels import run_title
from trainer.store import Run, Store, StoreError


def parent_of(store: Store, run: Run) -> Run | None:
    """Returns the run from which a run has branched; None for one that is no branch, or whose parent was deleted."""
    try:
        return None if run.parent_id is None else store.run(run.parent_id)
    except StoreError:
        return None


def origin(run: Run, parent: Run | None) -> str:
    """Returns where a branch began, such as "Branched from Run 3 at step 1,200"; empty for a run that is no branch."""
    if run.parent_step is None:
        return ""
    if parent is None:
        return f"Branched at step {run.parent_step:,} of a run that is not here any more"
    return f"Branched from {run_title(parent)} at step {run.parent_step:,}"
