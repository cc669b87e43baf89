"""Runs what serves the pages for as long as the server lives: the supervisor, the live charts and other routes."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.routing import BaseRoute
from streamlit import config

from pages.live.routes import Api
from pages.live.tokens import tokens_for
from pages.server import assets
from pages.server.first_page import (
    first_page,
    prepare_first_page,
    prepare_other_pages,
    share_fairly,
)
from pages.server.nodelay import send_at_once
from pages.server.security import exposure
from pages.server.store import store
from pages.server.supervisor_process import SupervisorProcess
from trainer.settings import get_settings

LOG = logging.getLogger(__name__)

FREEZE_DELAYS: Final = (5, 60)  # seconds until the first page has been drawn, and then until others have

supervisor = SupervisorProcess(store, first_page.over)
api = Api(
    store,
    lambda: tokens_for(get_settings().home),
    supervisor.is_ready,
)


def routes() -> list[BaseRoute]:
    """Returns the routes for `streamlit.App(routes=…)`, which does not put the server's base path before them."""
    base = f"/{config.get_option('server.baseUrlPath') or ''}".rstrip("/")
    return [*api.routes(base), *assets.routes(base)]


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Starts the supervisor with the server, and stops it with the server."""
    # With ten live sessions, a garbage collection after every script run took most of a tick.
    config.set_option("runner.postScriptGC", False)
    if sentence := exposure():
        LOG.warning("%s", sentence)
    send_at_once()
    share_fairly()
    supervisor.start()
    tasks = [
        asyncio.create_task(asyncio.to_thread(prepare_first_page), name="first-page"),
        asyncio.create_task(_freeze_garbage_collector(), name="gc-freeze"),
    ]
    try:
        yield {}
    finally:
        for task in tasks:
            task.cancel()
        await api.close()
        await supervisor.stop()


async def _freeze_garbage_collector() -> None:
    """Exempts modules and other long-lived objects from garbage collection."""
    for seconds in FREEZE_DELAYS:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(prepare_other_pages)
        gc.collect()
        gc.freeze()
