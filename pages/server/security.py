"""Security of the web server: headers of every response, foreign origins, and a warning when others can reach it."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from base64 import b64encode
from functools import lru_cache
from pathlib import Path
from typing import Final

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from pages.live.client_messages import WRONG_ORIGIN
from pages.live.limits import MAX_SESSION_MESSAGE_BYTES, limit_messages
from pages.live.routes import origin_allowed

METRICS: Final = "/_stcore/metrics"

_INLINE: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class Security:
    """ASGI middleware: adds headers to every response, and closes what Streamlit leaves open.

    Streamlit compares an `Origin` that it does not know with this machine's external address, which it asks a web service for;
    so a foreign one is hidden from it. It tells everybody its metrics, and takes messages of any size that it may itself send.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("x-content-type-options", "nosniff")
                headers.setdefault("referrer-policy", "same-origin")
                if headers.get("content-type", "").startswith("text/html"):
                    headers.setdefault("content-security-policy", content_security_policy())
            await send(message)

        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope["path"].rstrip("/").endswith(METRICS):
            await Response("Not found", 404)(scope, receive, send)
            return
        if scope["type"] == "websocket":
            limit_messages(receive, MAX_SESSION_MESSAGE_BYTES)
        headers = Headers(scope=scope)
        if not origin_allowed(headers.get("origin"), headers.get("host")):
            if scope["type"] == "websocket":
                await receive()
                await send(
                    {"type": "websocket.close", "code": WRONG_ORIGIN}
                )  # before it is accepted: HTTP 403
                return
            scope = {**scope, "headers": [item for item in scope["headers"] if item[0] != b"origin"]}
        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


@lru_cache(maxsize=1)
def content_security_policy() -> str:
    """Returns the header's value: everything comes from this server. Streamlit loads components from blobs, and its styles,
    like Plotly's, stand in the page."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text("utf-8")
    inline = " ".join(f"'sha256-{_digest(script)}'" for script in _INLINE.findall(page))
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' blob: {inline}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        )
    )


def _digest(script: str) -> str:
    return b64encode(hashlib.sha256(script.encode()).digest()).decode()


def exposure() -> str:
    """Returns a warning when others can reach the server under any name; empty when they cannot, or its names are set."""
    address = config.get_option("server.address") or ""
    if config.get_option("server.allowedHosts") or _is_local(address):
        return ""
    return (
        f"This server listens on {address or 'every address of this machine'} and answers under any name, so a page elsewhere "
        "can reach it through a visitor's browser. Set STREAMLIT_SERVER_ALLOWED_HOSTS to its name, or start it with "
        "--server.address=localhost."
    )


def _is_local(address: str) -> bool:
    if address == "localhost" or address.startswith("unix://"):
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False
