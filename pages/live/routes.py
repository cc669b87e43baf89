"""The routes beside Streamlit: the live WebSocket and a health check (pages/server/assets.py has the charts' files).

`GET /api/health` — liveness: 200 as long as the server runs.
`GET /api/ready` — readiness: 503 while the database does not answer or no supervisor is ready to train.
`WS  /api/live` — curves and run states, pushed.

The live protocol, version 3
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
- `health {runs: [{run, seen?, views?}]}` asks for the layers and pictures of at most four subscribed runs, from now on, and
  replaces what was asked before; `seen` `{sample, step, epoch, view}` is what the page has, as the last message stated.
  Answers: `health` and `view`. With `views`, a list of names, only these pictures come.
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
from collections.abc import Callable
from urllib.parse import urlparse

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket
from streamlit import config

from pages.live.addresses import network_of
from pages.live.client_messages import WRONG_ORIGIN, ClosingError
from pages.live.connection import Connection
from pages.live.hub import Hub
from pages.live.limits import MAX_CONNECTIONS, MAX_PER_ADDRESS, MAX_PER_OWNER, Slots, limit_messages
from pages.live.tokens import Tokens
from trainer.store import Store


class Api:
    """The routes and what they share. `store` and `tokens` are called on first use, so importing costs nothing."""

    def __init__(
        self,
        store: Callable[[], Store],
        tokens: Callable[[], Tokens],
        ready: Callable[[], bool],
    ) -> None:
        """`ready` returns whether the database answers and a supervisor serves it."""
        self._store, self._tokens, self._ready = store, tokens, ready
        self._hub: Hub | None = None
        self._all, self._by_address = Slots(MAX_CONNECTIONS), Slots(MAX_PER_ADDRESS)
        self._by_owner = Slots(MAX_PER_OWNER)

    @property
    def hub(self) -> Hub:
        """Returns the one reader of the store in this process."""
        if self._hub is None:
            self._hub = Hub(self._store())
        return self._hub

    def routes(self, base: str) -> list[BaseRoute]:
        """Returns the routes under the server's base path."""
        return [
            WebSocketRoute(f"{base}/api/live", self.live_socket),
            Route(f"{base}/api/health", self.health_check),
            Route(f"{base}/api/ready", self.readiness_check),
        ]

    async def close(self) -> None:
        """Stops polling; for the end of the server."""
        if self._hub is not None:
            await self._hub.close()
            self._hub = None

    async def health_check(self, request: Request) -> JSONResponse:
        """Responds 200 as long as the server runs."""
        return _status(ok=True)

    async def readiness_check(self, request: Request) -> JSONResponse:
        """Responds 200 when a run that is started now would train. Strangers may ask: it tells no more than that."""
        return _status(ok=await asyncio.to_thread(self._ready))

    async def live_socket(self, socket: WebSocket) -> None:
        """Serves one viewer's connection for as long as it lasts."""
        if not origin_allowed(socket.headers.get("origin"), socket.headers.get("host")):
            await socket.close(WRONG_ORIGIN, "this page may not open the live connection")
            return
        hub, tokens = await asyncio.to_thread(lambda: (self.hub, self._tokens()))
        limit_messages(socket._receive)
        await socket.accept()
        network = network_of(socket.client.host if socket.client else None)
        try:
            with self._all.taken(), self._by_address.taken(network):
                await Connection(socket, hub, tokens, self._by_owner).serve()
        except ClosingError as error:
            await socket.close(error.code, str(error))


def _status(*, ok: bool) -> JSONResponse:
    body = {"status": "ok" if ok else "unavailable"}
    return JSONResponse(body, 200 if ok else 503, headers={"Cache-Control": "no-store"})


def origin_allowed(origin: str | None, host: str | None) -> bool:
    """Returns whether a page from `origin` may talk to this server: the same host, or one that the server's settings name.

    Programs other than browsers send no Origin; their token decides.
    """
    if origin is None:
        return True
    if host and urlparse(origin).netloc.lower() == host.lower():
        return True
    return origin in (config.get_option("server.corsAllowedOrigins") or ())
