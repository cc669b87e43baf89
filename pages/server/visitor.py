"""Gives each visitor an id: random, in a cookie, until sign-in exists. It owns the runs that the visitor starts.

The cookie is HttpOnly, so scripts cannot read it, and SameSite=Lax, so other sites cannot send requests with it.
"""

from __future__ import annotations

import re
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Final

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.live.addresses import address_digest
from trainer.settings import get_settings

COOKIE: Final = "trainscope_visitor"
YEAR: Final = 365 * 24 * 60 * 60
_VALID: Final = re.compile(r"[A-Za-z0-9_-]{22}")


class VisitorCookie:
    """ASGI middleware that gives every browser its own id with the first page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the request; an HTML response sets the cookie when the request carried none."""
        if scope["type"] != "http" or known_visitor(Headers(scope=scope).get("cookie")):
            await self._app(scope, receive, send)
            return
        if "text/html" in Headers(scope=scope).get("accept", ""):
            scope = _unconditional(scope)
        cookie = _new_cookie(secure=scope.get("scheme") == "https")

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                # HTML only: a response with a cookie must not end up in a cache for scripts and images.
                if headers.get("content-type", "").startswith("text/html"):
                    headers.append("set-cookie", cookie)
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def _unconditional(scope: Scope) -> Scope:
    """Returns a request for a page that cannot be answered with "not modified", which would leave no page to set the cookie with.

    A browser that has lost the cookie, but not what it cached, would else be nobody until its cache is emptied.
    """
    conditional = (b"if-none-match", b"if-modified-since")
    return {**scope, "headers": [header for header in scope["headers"] if header[0] not in conditional]}


def known_visitor(header: str | None) -> str | None:
    """Returns the id in a Cookie header, or None when there is none of ours."""
    try:
        morsel = SimpleCookie(header or "").get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel is not None and _VALID.fullmatch(morsel.value) else None


def _new_cookie(secure: bool) -> str:
    value = secrets.token_urlsafe(16)
    return f"{COOKIE}={value}; Path=/; Max-Age={YEAR}; HttpOnly; SameSite=Lax" + (
        "; Secure" if secure else ""
    )


def visitor_address() -> str:
    """Returns what the store keeps of the network address that the page is drawn for; empty on this machine itself, where
    Streamlit tells none."""
    return address_digest(get_settings().home, st.context.ip_address)


def visitor() -> str:
    """Returns the id of the visitor whose page is drawn.

    A browser that refuses cookies gets an id for the session: it keeps its runs while the tab is open.
    """
    value = st.context.cookies.get(COOKIE, "")
    if _VALID.fullmatch(value):
        return value
    if "visitor" not in st.session_state:
        st.session_state["visitor"] = secrets.token_urlsafe(16)
    return str(st.session_state["visitor"])
