"""Opens the one store of the web process, for pages and for the live charts."""

from __future__ import annotations

from functools import lru_cache

from trainer.settings import get_settings
from trainer.store import Store


@lru_cache(maxsize=1)
def store() -> Store:
    """Returns the store, opened on first use; threads share it."""
    return Store(get_settings().url)
