"""Preloads the charts' files: the browser fetches them beside Streamlit's own scripts.

Otherwise it would request them only after the first script run, whose data holds their addresses.
"""

from __future__ import annotations

from functools import lru_cache

import plotly
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.server.assets import asset_names, assets_version


class Preload:
    """ASGI middleware that adds a `Link` header to every HTML response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the request; an HTML response names the charts' files."""

        async def send_with_links(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.append("link", links())
            await send(message)

        await self._app(scope, receive, send_with_links if scope["type"] == "http" else send)


@lru_cache(maxsize=1)
def links() -> str:
    """Returns the header's value. Addresses are relative, as in Streamlit's own page, so that they hold under any base path."""
    found = [f"<./api/plotly.js?v={plotly.__version__}>; rel=preload; as=script; fetchpriority=low"]
    for name in asset_names():
        kind = "modulepreload" if name.endswith(".js") else "preload; as=style"
        found.append(f"<./api/assets/{assets_version()}/{name}>; rel={kind}")
    return ", ".join(found)
