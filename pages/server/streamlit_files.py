"""Serves the scripts, styles and fonts of Streamlit's own pages, compressed once and kept.

Streamlit's own handler leaves them uncompressed, because it would compress them again for each request, and reads them from
disk for each, piece by piece on other threads: on a cold server that work would compete with the first page's script.
"""

from __future__ import annotations

import asyncio
import mimetypes
from functools import lru_cache
from pathlib import Path
from typing import Final

import streamlit
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config

from pages.server.files import TYPES, File

FOLDER: Final = Path(streamlit.__file__).parent / "static" / "static"


class StreamlitFiles:
    """ASGI middleware that responds to GET requests for Streamlit's files, whose names carry a hash of their content."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the request."""
        name = _name(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if name is None:
            await self._app(scope, receive, send)
            return
        file = _KEPT[name] if name in _KEPT else await asyncio.to_thread(keep, name)
        response = await file.respond(Request(scope), current=True)
        await response(scope, receive, send)


_KEPT: Final[dict[str, File]] = {}


def keep(name: str) -> File:
    """Reads a file, which stays in memory."""
    path = FOLDER / name
    text = path.suffix in TYPES
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    _KEPT[name] = File(path.read_bytes(), kind, path.name, compressible=text)
    return _KEPT[name]


def _name(scope: Scope) -> str | None:
    """Returns the name below `FOLDER` of the file that is asked for, or None for anything else."""
    base, _, name = scope["path"].partition("/static/")
    return name if base.strip("/") == _base() and name in _names() else None


@lru_cache(maxsize=1)
def _base() -> str:
    return str(config.get_option("server.baseUrlPath") or "").strip("/")


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
