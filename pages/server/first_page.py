"""The first page of a cold server: prepared while its browser still loads Streamlit's scripts, and before all other work."""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
import time
from contextlib import suppress
from typing import Final

from streamlit import delta_generator

from pages.server import assets
from pages.server.store import store
from trainer.processes.incoming import sweep
from trainer.settings import get_settings

LOG = logging.getLogger(__name__)

PAGES: Final = (  # what the first script run would otherwise wait for
    "pages.train", "pages.health", "pages.data", "pages.runs",
    "pages.comparisons", "pages.lr_finder", "pages.reference", "pages.spaces",
)  # fmt: skip
SWITCH_INTERVAL: Final = 0.0005  # seconds
MAX_ABSENCE: Final = 2.0  # seconds for which other work waits for a first visitor
MAX_DRAWING: Final = 4.0
"""Seconds for which it waits once there is one: on a slow machine, the wait of whoever presses Start counts, too."""


class FirstPage:
    """How far the first visit of this process is; set from any thread."""

    asked = False
    """Whether a browser has asked for a page."""
    drawn = False
    """Whether a page's script has run to its end."""

    async def over(self) -> None:
        """Waits until the first page has been drawn; not for long where nobody comes."""
        began = time.monotonic()
        while not self.drawn and time.monotonic() - began < (MAX_DRAWING if self.asked else MAX_ABSENCE):
            await asyncio.sleep(0.02)


first_page: Final = FirstPage()


def share_fairly() -> None:
    """Lets threads take turns ten times as often as Python does by default.

    Each request takes the interpreter's lock a few times, and would wait 5 ms each time while an import or a page's script
    holds it: for the first page, which requests more than a hundred files, that adds up to seconds.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)


def prepare_first_page() -> None:
    """Imports and compresses what the first page needs, and removes what a killed server left. For a thread."""
    with suppress(Exception):  # the page itself reports that the database cannot be opened
        store()  # a new one is built now
    try:
        _skip_search_for_a_prompt()
        for name in PAGES:
            importlib.import_module(name)
        assets.assets_version()
        sweep(get_settings())
    except Exception:  # the page itself reports the error to its visitor
        LOG.exception("Could not prepare the first page")


def prepare_other_pages() -> None:
    """Imports what only other pages need. For a thread, once the first page has been drawn."""
    importlib.import_module("pandas")


def _skip_search_for_a_prompt() -> None:
    """Tells Streamlit that it has warned already those who run a script at Python's prompt.

    To find out, it walks the stack at the first element drawn and resolves the paths of all modules: 0.2 s of the first page.
    """
    if hasattr(delta_generator, "_use_warning_has_been_displayed"):
        delta_generator._use_warning_has_been_displayed = True
