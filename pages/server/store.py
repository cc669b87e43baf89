"""Opens the one store of the web process, for pages and for the live charts."""

from __future__ import annotations

from functools import lru_cache

from trainer.settings import get_settings
from trainer.store import Limits, Store


@lru_cache(maxsize=1)
def store() -> Store:
    """Returns the store, opened on first use; threads share it."""
    settings = get_settings()
    return Store(settings.url, limits=Limits.of(settings))
