"""How much each visitor may keep: files of their own, runs that they import, and checkpoints to branch from."""

from __future__ import annotations

import contextlib

from sqlalchemy.exc import DBAPIError

from trainer.engine.kept import drop, folder_bytes, kept_bytes
from trainer.settings import MEGABYTE, Settings
from trainer.spaces.limits import Limits, Wanted
from trainer.store import Run, Store

SHARE_OF_RUN = 5
"""One run may take a fifth of what all kept checkpoints of its owner may."""


def over_quota(store: Store, settings: Settings, owner: str, size: int, besides: str = "") -> str:
    """Returns one sentence when the visitor may not keep `size` bytes more in the store's space, else an empty string. It spares
    work in vain; the store asks again when it adds them.

    The upload with the digest `besides` does not count. What the command line adds is limited by the disk alone.
    """
    limited = store.limited(Limits.of(settings))
    return limited.usage(owner, besides=besides).problem(Wanted(bytes=size, kept=size))


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
            with contextlib.suppress(DBAPIError):
                store.measure(int(folder.name), folder_bytes(folder))
    return max(0, min(share, most - total))
