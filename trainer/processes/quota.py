"""How much each visitor may keep: files of their own, runs that they import, and checkpoints to branch from."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from trainer.engine.kept import drop, kept_bytes
from trainer.formatting import format_bytes
from trainer.settings import MEGABYTE, Settings
from trainer.store import COMMAND_LINE, Run, Store

SHARE_OF_RUN = 5
"""One run may take a fifth of what all kept checkpoints of its owner may."""


def over_quota(store: Store, settings: Settings, owner: str, size: int, besides: str = "") -> str:
    """Returns one sentence when the visitor may not keep `size` bytes more, else an empty string.

    The upload with the digest `besides` does not count. What the command line adds is limited by the disk alone.
    """
    limit = settings.upload_quota_mb * 1_000_000
    kept = store.kept_bytes(owner, besides)
    if owner == COMMAND_LINE or kept + size <= limit:
        return ""
    return (
        f"Your files and imported runs take {format_bytes(kept)} and this one {format_bytes(size)}; you may keep "
        f"{format_bytes(limit)}. Delete one that you no longer need."
    )


def kept_room(store: Store, settings: Settings, run: Run) -> int:
    """Returns the bytes that a run's kept checkpoints may take, after making room for them: those of the owner's oldest runs
    are dropped first, but for marked and last ones. None where the database fails just then: no run ends for that."""
    try:
        ids = store.run_ids(run.owner)
    except DBAPIError:
        return 0
    most = settings.max_kept_mb * MEGABYTE
    share = most // SHARE_OF_RUN
    others = [settings.run_folder(one) for one in ids if one != run.id]
    taken = {folder: kept_bytes(folder) for folder in others}
    total = sum(taken.values())
    for folder, before in taken.items():
        if before and total + share > most:
            drop(folder)
            total += kept_bytes(folder) - before
    return max(0, min(share, most - total))
