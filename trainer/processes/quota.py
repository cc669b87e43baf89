"""How much each visitor may keep: files of their own, and runs that they import."""

from __future__ import annotations

from trainer.formatting import format_bytes
from trainer.settings import Settings
from trainer.store import COMMAND_LINE, Store


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
