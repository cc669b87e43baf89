"""Serves what the charts need in the browser: their own script and style sheet, and Plotly's bundle.

`GET /api/plotly.js?v=VERSION` — Plotly's own minified script from the installed package, cut down to what the charts draw.
`GET /api/assets/HASH/panels.js` — the charts' modules in one; `panels.css` their style sheets. HASH changes with their content.
"""

from __future__ import annotations

import asyncio
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pages.server.bundle import bundle
from pages.server.files import TYPES, File
from pages.server.plotly_script import VERSION, plotly_script

FOLDER: Final = Path(__file__).parents[1] / "widgets" / "charts"
ENTRIES: Final = ("curves/chart_panel.js", "health/health_panel.js")
SHEETS: Final = ("live_panel.css", "curves/chart_panel.css", "health/health_panel.css")


def routes(base: str) -> list[BaseRoute]:
    """Returns the routes under the server's base path."""
    return [
        Route(f"{base}/api/plotly.js", plotly_file),
        Route(f"{base}/api/assets/{{version}}/{{name:path}}", asset),
    ]


async def plotly_file(request: Request) -> Response:
    """Responds with Plotly's script."""
    file = await asyncio.to_thread(_plotly)
    return await file.respond(request, current=request.query_params.get("v") == file.version)


async def asset(request: Request) -> Response:
    """Responds with the charts' script or style sheet."""
    file = _assets().get(request.path_params["name"])
    if file is None:
        return Response("Not found", 404)
    return await file.respond(request, current=request.path_params["version"] == file.version)


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
    return File(plotly_script(), TYPES[".js"], VERSION)


@lru_cache(maxsize=1)
def _assets() -> dict[str, File]:
    return {name: File(body, TYPES[Path(name).suffix], assets_version()) for name, body in _bodies().items()}


@lru_cache(maxsize=1)
def _bodies() -> dict[str, bytes]:
    modules = {path.relative_to(FOLDER).as_posix(): path.read_text("utf-8") for path in FOLDER.rglob("*.js")}
    sheets = [(FOLDER / name).read_text("utf-8") for name in SHEETS]
    return {"panels.js": bundle(modules, ENTRIES).encode(), "panels.css": "\n".join(sheets).encode()}
