"""The browser's files of the charts: their own modules and style sheet, and Plotly's bundle, compressed once and cached.

`GET /api/plotly.js?v=VERSION` — Plotly's own minified bundle from the installed package.
`GET /api/assets/HASH/NAME` — the charts' modules and style sheet; HASH changes with their content.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final

import plotly
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

FOLDER: Final = Path(__file__).parents[1] / "widgets" / "charts"
TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
IMMUTABLE: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}


def routes(base: str) -> list[BaseRoute]:
    """The routes of these files under the server's base path."""
    return [
        Route(f"{base}/api/plotly.js", plotly_bundle),
        Route(f"{base}/api/assets/{{version}}/{{name}}", asset),
    ]


async def plotly_bundle(request: Request) -> Response:
    """Plotly's bundle, compressed once for everybody."""
    compressed, plain, tag = await asyncio.to_thread(_plotly)
    return _send(
        request,
        compressed,
        plain,
        TYPES[".js"],
        tag,
        fixed=request.query_params.get("v") == plotly.__version__,
    )


async def asset(request: Request) -> Response:
    """One of the charts' own files."""
    known = _assets()
    name = request.path_params["name"]
    if name not in known:
        return Response("Not found", 404)
    compressed, plain = known[name]
    fixed = request.path_params["version"] == assets_version()
    return _send(request, compressed, plain, TYPES[Path(name).suffix], assets_version(), fixed=fixed)


def _send(
    request: Request, compressed: bytes, plain: bytes, type_: str, tag: str, *, fixed: bool
) -> Response:
    """An answer with caching: for ever under a versioned address, else to be asked about again."""
    headers = dict(IMMUTABLE) if fixed else {**IMMUTABLE, "Cache-Control": "no-cache"}
    headers |= {"ETag": f'"{tag}"', "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(compressed, media_type=type_, headers={**headers, "Content-Encoding": "gzip"})
    # Said outright, so that the server's own compression does not do it again for each request.
    return Response(plain, media_type=type_, headers={**headers, "Content-Encoding": "identity"})


def warm_up() -> None:
    """Compress what every first visit asks for, before it does."""
    _plotly()
    _assets()


@lru_cache(maxsize=1)
def _plotly() -> tuple[bytes, bytes, str]:
    plain = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes()
    return gzip.compress(plain, 6, mtime=0), plain, plotly.__version__


@lru_cache(maxsize=1)
def _assets() -> dict[str, tuple[bytes, bytes]]:
    found = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}
    return {name: (gzip.compress(body, 9, mtime=0), body) for name, body in found.items()}


def asset_names() -> list[str]:
    """The charts' files."""
    return list(_assets())


@lru_cache(maxsize=1)
def assets_version() -> str:
    """A name for the present content of the charts' files, part of their address."""
    digest = hashlib.sha256()
    for name, (_, body) in _assets().items():
        digest.update(name.encode() + b"\0" + body + b"\0")
    return digest.hexdigest()[:16]
