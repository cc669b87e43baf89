"""Serves the files that charts need in the browser: their own modules and style sheet, and Plotly's bundle.

`GET /api/plotly.js?v=VERSION` — Plotly's own minified bundle from the installed package.
`GET /api/assets/HASH/NAME` — the charts' modules and style sheet; HASH changes with their content.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import plotly
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

FOLDER: Final = Path(__file__).parents[1] / "widgets" / "charts"
TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
IMMUTABLE: Final = "public, max-age=31536000, immutable"


class File(NamedTuple):
    """A file's bytes, its media type, and the version that its address and ETag carry."""

    plain: bytes
    compressed: bytes | None  # None where it would not become smaller
    type: str
    version: str


def routes(base: str) -> list[BaseRoute]:
    """Returns the routes under the server's base path."""
    return [
        Route(f"{base}/api/plotly.js", plotly_bundle),
        Route(f"{base}/api/assets/{{version}}/{{name:path}}", asset),
    ]


async def plotly_bundle(request: Request) -> Response:
    """Responds with Plotly's bundle."""
    file = await asyncio.to_thread(_plotly)
    return respond(request, file, current=request.query_params.get("v") == file.version)


async def asset(request: Request) -> Response:
    """Responds with one of the charts' own files."""
    file = _assets().get(request.path_params["name"])
    if file is None:
        return Response("Not found", 404)
    return respond(request, file, current=request.path_params["version"] == file.version)


def respond(request: Request, file: File, *, current: bool) -> Response:
    """Responds with a file: cached indefinitely under its `current` address, else revalidated each time."""
    headers = {
        "Cache-Control": IMMUTABLE if current else "no-cache",
        "X-Content-Type-Options": "nosniff",
        "ETag": f'"{file.version}"',
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    zipped = file.compressed is not None and "gzip" in request.headers.get("accept-encoding", "")
    # Also for plain bytes: without this header the server's own middleware would compress them for each request.
    headers["Content-Encoding"] = "gzip" if zipped else "identity"
    return Response(file.compressed if zipped else file.plain, media_type=file.type, headers=headers)


def warm_up() -> None:
    """Compresses everything before the first visit asks for it."""
    _plotly()
    _assets()


def asset_names() -> list[str]:
    """Returns the names of the charts' files."""
    return list(_assets())


@lru_cache(maxsize=1)
def assets_version() -> str:
    """Returns a digest of the charts' files, part of their address."""
    digest = hashlib.sha256()
    for name, body in _bodies().items():
        digest.update(name.encode() + b"\0" + body + b"\0")
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def _plotly() -> File:
    plain = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes()
    return File(plain, gzip.compress(plain, 6, mtime=0), TYPES[".js"], plotly.__version__)


@lru_cache(maxsize=1)
def _assets() -> dict[str, File]:
    return {
        name: File(body, gzip.compress(body, 9, mtime=0), TYPES[Path(name).suffix], assets_version())
        for name, body in _bodies().items()
    }


@lru_cache(maxsize=1)
def _bodies() -> dict[str, bytes]:
    files = sorted(path for path in FOLDER.rglob("*") if path.suffix in TYPES)
    return {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in files}
