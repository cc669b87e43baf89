"""The few routes beside Streamlit: the live WebSocket, the scripts of the charts, and a health check.

`GET /api/health` — liveness, and whether a supervisor serves the database.
`GET /api/plotly.js?v=VERSION` — Plotly's own minified bundle from the installed package.
`GET /api/assets/HASH/NAME` — the live chart's modules and style sheet; HASH changes with their content.
`WS  /api/live` — curves and run states, pushed.

The live protocol, version 2
----------------------------
Client messages are JSON texts of at most 16 KiB with a `type`:

- `auth {protocol, token}` must come first; later it replaces the token, for example after a new run was started.
  Answer: `ready {protocol, expires_in}`. A page that speaks another version is closed with 4401 and asks for a reload.
- `refresh {}` renews the token before it ends. Answer: `token {token, expires_in}`.
- `subscribe {runs, points, cursors?}` replaces what is watched; `points` is the most points of a series that the charts
  can show. Runs new to the subscription are answered with a `status` and a `snapshot`, then `delta`s follow; for a run
  in `cursors` (`{run: {step, epoch}}`, after a broken connection) only what came since is sent.
- `snapshot {runs}` asks for freshly thinned curves, when deltas have piled up.
- `range {id, runs, series, x0, x1}` asks for the steps x0..x1 in detail. Answer: `range` with the same id.
- `resync {run, cursors: {step, epoch}}` states what the client has; the rest follows as one `delta`.
- `health {run, seen?}` asks for the layers and pictures of one subscribed run, from now on (`run: null` ends it); `seen`
  `{sample, step, epoch, view}` is what the page has, as the last message stated. Answers: `health` and `view`.
- `ping {}`. Answer: `pong`.

Server texts are JSON with a `t`: `ready`, `token`, `pong`, `error {code, message}` and
`status {run, status, request, progress, error}`, sent on every change.

Server binaries are all packed alike (trainer/curves/packing.py): a uint32 (little-endian) with the header's length; the
header, JSON padded with spaces to a multiple of 4; then the arrays that its `arrays: [[name, type, shape], …]` names, each
padded to a multiple of 4 bytes, so that a browser lays typed arrays over them without copying. By the header's `t`:

- `snapshot`, `delta` and `range` hold segments of curves, described in trainer/curves/messages.py. A segment covers the steps
  in (after, to]; a client whose own cursor is below `after` has missed something and asks to resync. `marks` are rows
  without a finite number: `[first step, last step, count, "nan" | "inf" | "-inf" | "mixed"]`. `means` are there where points
  were left out of a series that charts smooth: `[number, first step, last step, width]` states that mean i is over the finite
  values of the steps first + i·width … min(last, first + (i+1)·width − 1); NaN where there are none. The points keep the
  extremes for the raw line; smoothing starts from the means, or from the points where there are no means.
- `health {run, fresh, seen, columns, steps, clipped, clipping, non_finite}` holds what trainer/health/messages.py describes; a
  `fresh` one replaces what the page has and is the whole run in at most 256 samples, 500 epochs and 512 changes of the loss
  scale, any other adds to it. They come at most four times a second.
- `view {run, name, version, seen}` has one u1 array, `view`: a picture, itself a packed message, described in
  trainer/health/pictures.py. It is below 150 kB and sent only when it has changed.

Steps fit int32: a run of 2³¹ steps would take years.

Close codes: 4400 not a message of this protocol, 4401 no valid token, 4403 (HTTP 403) foreign Origin, 4408
silence, 4429 too many messages or connections, 1009 message too big, 1001 the server is going away.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import plotly
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket
from streamlit import config

from pages.live.connection import TOO_MUCH, WRONG_ORIGIN, Connection, origin_allowed
from pages.live.hub import Hub
from pages.live.tokens import Tokens

ASSETS: Final = Path(__file__).parents[1] / "widgets" / "charts"
TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
IMMUTABLE: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}
MAX_CONNECTIONS: Final = 1000
MAX_FROM_ONE: Final = (
    64  # a class behind one router shares an address, so this counts by cookie where there is one
)


class Api:
    """The routes and what they share. `store` and `tokens` are made on first use, so that importing costs
    nothing."""

    def __init__(
        self, store: Callable[[], Any], tokens: Callable[[], Tokens], state: Callable[[], dict[str, Any]]
    ) -> None:
        self._make_store, self._make_tokens, self._state = store, tokens, state
        self._hub: Hub | None = None
        self._open: Counter[str] = Counter()

    @property
    def hub(self) -> Hub:
        """The one reader of the store in this process."""
        if self._hub is None:
            self._hub = Hub(self._make_store())
        return self._hub

    def routes(self) -> list[BaseRoute]:
        """For `streamlit.App(routes=…)`. Streamlit does not put its base path before them, so it is done
        here."""
        base = f"/{config.get_option('server.baseUrlPath') or ''}".rstrip("/")
        return [
            WebSocketRoute(f"{base}/api/live", self.live),
            Route(f"{base}/api/plotly.js", plotly_bundle),
            Route(f"{base}/api/assets/{{version}}/{{name:path}}", asset),
            Route(f"{base}/api/health", self.health),
        ]

    async def close(self) -> None:
        """Stop polling; for the end of the server."""
        if self._hub is not None:
            await self._hub.close()
            self._hub = None

    async def health(self, request: Request) -> JSONResponse:
        """200 as long as the server answers; the supervisor's state is told, not judged."""
        state = await asyncio.to_thread(self._state)
        viewers = 0 if self._hub is None else self._hub.viewers
        return JSONResponse(
            {"status": "ok", "supervisor": state, "viewers": viewers}, headers={"Cache-Control": "no-store"}
        )

    async def live(self, socket: WebSocket) -> None:
        """One viewer, for as long as it stays."""
        if not origin_allowed(socket.headers.get("origin"), socket.headers.get("host")):
            await socket.close(WRONG_ORIGIN, "this page may not open the live connection")
            return
        hub, tokens = await asyncio.to_thread(lambda: (self.hub, self._make_tokens()))
        await socket.accept()
        source = visitor_of(socket)
        if self._open.total() >= MAX_CONNECTIONS or self._open[source] >= MAX_FROM_ONE:
            await socket.close(TOO_MUCH, "too many connections")
            return
        self._open[source] += 1
        try:
            await Connection(socket, hub, tokens).serve()
        finally:
            self._open[source] -= 1
            if not self._open[source]:
                del self._open[source]


def visitor_of(socket: WebSocket) -> str:
    """Whom to count a connection to: the visitor's cookie, else the address."""
    from pages.server.visitor import COOKIE

    return socket.cookies.get(COOKIE) or (socket.client.host if socket.client else "unknown")


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
    """One of the live chart's own files."""
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
    files = sorted(path for path in ASSETS.rglob("*") if path.suffix in TYPES)
    found = {path.relative_to(ASSETS).as_posix(): path.read_bytes() for path in files}
    return {name: (gzip.compress(body, 9, mtime=0), body) for name, body in found.items()}


def asset_names() -> list[str]:
    """The live chart's files."""
    return list(_assets())


@lru_cache(maxsize=1)
def assets_version() -> str:
    """A name for the present content of the live chart's files, part of their address."""
    digest = hashlib.sha256()
    for name, (_, body) in _assets().items():
        digest.update(name.encode() + b"\0" + body + b"\0")
    return digest.hexdigest()[:16]
