"""Prepares the first page of a cold server while its browser still loads Streamlit's scripts."""

from __future__ import annotations

import importlib
import logging
import sys
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
    "pages.comparisons", "pages.lr_finder", "pages.reference",
)  # fmt: skip
SWITCH_INTERVAL: Final = 0.0005  # seconds


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
