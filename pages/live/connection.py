"""One live WebSocket: who it is, what it asks for, and what it is sent (see `pages.live.routes` for the protocol).

Whatever a client sends, it is answered with an error or a close code, never with an exception.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlparse

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit import config

from pages.live.hub import Hub
from pages.live.tokens import Grant, TokenError, Tokens
from pages.live.viewer import Viewer
from trainer.curves import deltas as live
from trainer.health.messages import Seen
from trainer.metrics.registry import KINDS

LOG = logging.getLogger(__name__)

MAX_MESSAGE: Final = 16 * 1024
MAX_RUNS: Final = 100
GREETING: Final = 10.0  # seconds to say who you are
IDLE: Final = 90.0  # seconds without a word; the page pings every 20
BURST: Final = 60
PER_SECOND: Final = 15.0

BAD_MESSAGE: Final = 4400
NOT_ALLOWED: Final = 4401
WRONG_ORIGIN: Final = 4403
SILENT: Final = 4408
TOO_MUCH: Final = 4429
TOO_BIG: Final = 1009
GOING_AWAY: Final = 1001


class RefusedError(Exception):
    """A message that cannot be granted; the connection stays open."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class ClosingError(Exception):
    """The connection must end with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def origin_allowed(origin: str | None, host: str | None) -> bool:
    """Whether a page from `origin` may open the socket: the same host, or one that the server's settings
    name.

    Programs that are not browsers send no Origin; their token decides.
    """
    if origin is None:
        return True
    if host and urlparse(origin).netloc.lower() == host.lower():
        return True
    return origin in (config.get_option("server.corsAllowedOrigins") or ())


class Bucket:
    """Lets `BURST` messages through at once and `PER_SECOND` in the long run."""

    def __init__(self) -> None:
        self._level, self._at = float(BURST), time.monotonic()

    def take(self) -> None:
        """Count one message; raises `ClosingError` when there are too many."""
        now = time.monotonic()
        self._level = min(float(BURST), self._level + (now - self._at) * PER_SECOND) - 1
        self._at = now
        if self._level < 0:
            raise ClosingError(TOO_MUCH, "too many messages")


class Connection:
    """Serves one socket until it closes."""

    def __init__(self, socket: WebSocket, hub: Hub, tokens: Tokens) -> None:
        self._socket, self._hub, self._tokens = socket, hub, tokens
        self._viewer = Viewer()
        self._bucket = Bucket()
        self._grant: Grant | None = None
        self._sending = asyncio.Lock()
        self._actions: dict[str, Callable[[dict[str, Any]], Any]] = {
            "auth": self._auth,
            "refresh": self._refresh,
            "subscribe": self._subscribe,
            "snapshot": self._snapshot,
            "range": self._range,
            "resync": self._resync,
            "health": self._health,
            "ping": self._ping,
        }

    async def serve(self) -> None:
        """Greet, then read and write side by side until either ends."""
        tasks = [asyncio.create_task(self._read(), name="live-read")]
        try:
            self._hub.join(self._viewer)
            tasks.append(asyncio.create_task(self._write(), name="live-write"))
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await self._end(next(iter(done)).exception())
        finally:
            self._hub.leave(self._viewer)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end(self, error: BaseException | None) -> None:
        if error is None or isinstance(error, WebSocketDisconnect):
            return
        code, reason = (
            (error.code, str(error)) if isinstance(error, ClosingError) else (1011, "internal error")
        )
        if not isinstance(error, ClosingError):
            LOG.error("A live connection failed", exc_info=error)
        with contextlib.suppress(Exception):
            await self._socket.close(code, reason)

    async def _write(self) -> None:
        while True:
            message = await self._hub.next_message(self._viewer)
            async with self._sending:
                if isinstance(message, bytes):
                    await self._socket.send_bytes(message)
                else:
                    await self._socket.send_text(message)

    async def _say(self, **told: Any) -> None:
        async with self._sending:
            await self._socket.send_text(orjson.dumps(told).decode())

    # --- reading --------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            self._bucket.take()
            try:
                await self._act(parse(message))
            except RefusedError as refused:
                await self._say(t="error", code=refused.code, message=str(refused))

    async def _receive(self) -> Any:
        """The next message's text. Silence and an ended token close the connection."""
        patience = GREETING if self._grant is None else min(IDLE, max(0.0, self._grant.expires - time.time()))
        try:
            event = await asyncio.wait_for(self._socket.receive(), patience)
        except TimeoutError:
            raise self._why_silent() from None
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1005))
        return event.get("text")

    def _why_silent(self) -> ClosingError:
        if self._grant is None:
            return ClosingError(NOT_ALLOWED, "no token was sent")
        if time.time() >= self._grant.expires - 1:
            return ClosingError(NOT_ALLOWED, "the token's time is over")
        return ClosingError(SILENT, "nothing was heard for too long")

    async def _act(self, message: dict[str, Any]) -> None:
        action = self._actions.get(str(message.get("type")))
        if action is None:
            raise RefusedError(
                "unknown_type", f"there is no message of type {str(message.get('type'))[:40]!r}"
            )
        if self._grant is None and action != self._auth:
            raise ClosingError(NOT_ALLOWED, "the first message must carry a token")
        await action(message)

    # --- actions --------------------------------------------------------------------------------------------

    async def _auth(self, message: dict[str, Any]) -> None:
        try:
            grant = self._tokens.check(message.get("token"))
        except TokenError as error:
            raise ClosingError(NOT_ALLOWED, str(error)) from None
        if self._grant is not None and grant.owner != self._grant.owner:
            raise ClosingError(NOT_ALLOWED, "the token belongs to somebody else")
        self._grant = grant
        await self._say(t="ready", protocol=1, expires_in=max(0, int(grant.expires - time.time())))

    async def _refresh(self, message: dict[str, Any]) -> None:
        assert self._grant is not None
        try:
            token = self._tokens.renew(self._grant)
        except TokenError as error:
            raise RefusedError("too_old", str(error)) from None
        self._grant = self._tokens.check(token)
        await self._say(t="token", token=token, expires_in=self._tokens.lifetime)

    async def _subscribe(self, message: dict[str, Any]) -> None:
        runs = self._allowed(message.get("runs"))
        points = _whole(message.get("points", live.MAX_POINTS), 16, live.MAX_POINTS)
        known = message.get("cursors", {})
        if not isinstance(known, dict):
            raise RefusedError("bad_cursors", "cursors must be an object of run and cursors")
        # Checked before anything is done: a message is obeyed as a whole or not at all.
        cursors = {run: _cursors(known[str(run)]) for run in runs if str(run) in known}
        self._hub.subscribe(self._viewer, runs, points)
        for run, had in cursors.items():
            self._hub.resync(self._viewer, run, had)

    async def _snapshot(self, message: dict[str, Any]) -> None:
        for run in self._watched(message.get("runs")):
            self._viewer.wanted[run] = None
        self._viewer.wake.set()

    async def _range(self, message: dict[str, Any]) -> None:
        runs = self._watched(message.get("runs"))
        known = {name for kind in KINDS for name in live.drawn(kind)}
        series = message.get("series")
        if not isinstance(series, list) or not all(
            isinstance(name, str) and name in known for name in series
        ):
            raise RefusedError("bad_series", f"series must be a list of {', '.join(sorted(known))}")
        span = (_whole(message.get("x0"), -1, 2**31 - 1), _whole(message.get("x1"), -1, 2**31 - 1))
        if span[1] < span[0]:
            raise RefusedError("bad_range", "x1 must not be before x0")
        self._hub.ask_range(self._viewer, runs, series, span, id=_whole(message.get("id", 0), 0, 2**31 - 1))

    async def _resync(self, message: dict[str, Any]) -> None:
        (run,) = self._watched([message.get("run")])
        self._hub.resync(self._viewer, run, _cursors(message.get("cursors")))

    async def _health(self, message: dict[str, Any]) -> None:
        asked = message.get("run")
        run = None if asked is None else self._watched([asked])[0]
        seen = message.get("seen", {})
        if not isinstance(seen, dict):
            raise RefusedError("bad_cursors", "seen must be an object of look, step, epoch and view")
        had = {part: _whole(seen.get(part, -1), -1, 2**53) for part in ("look", "step", "epoch", "view")}
        self._hub.health.watch(self._viewer, run, Seen(**had))

    async def _ping(self, message: dict[str, Any]) -> None:
        await self._say(t="pong")

    def _allowed(self, runs: Any) -> list[int]:
        """Run ids that the token grants; one that it does not is answered like one that does not exist."""
        assert self._grant is not None
        if not isinstance(runs, list) or len(runs) > MAX_RUNS:
            raise RefusedError("bad_runs", f"runs must be a list of at most {MAX_RUNS} numbers")
        for run in runs:
            if type(run) is not int or run not in self._grant.runs:
                raise RefusedError("unknown_run", f"there is no run {str(run)[:40]!r} for you")
        return list(dict.fromkeys(runs))

    def _watched(self, runs: Any) -> list[int]:
        """Run ids that are granted and subscribed to."""
        allowed = self._allowed(runs)
        for run in allowed:
            if run not in self._viewer.runs:
                raise RefusedError("not_subscribed", f"subscribe to run {run} first")
        return allowed


def parse(text: Any) -> dict[str, Any]:
    """A client's message as an object; raises `ClosingError` for one that no page of ours sends."""
    if not isinstance(text, str):
        raise ClosingError(BAD_MESSAGE, "messages are JSON texts")
    if len(text) > MAX_MESSAGE:
        raise ClosingError(TOO_BIG, f"messages have at most {MAX_MESSAGE} characters")
    try:
        message = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        raise ClosingError(BAD_MESSAGE, "messages are JSON objects") from None
    if not isinstance(message, dict):
        raise ClosingError(BAD_MESSAGE, "messages are JSON objects")
    return message


def _whole(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise RefusedError("bad_number", f"a whole number from {low} to {high} was expected")
    return value


def _cursors(value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        raise RefusedError("bad_cursors", "cursors must be an object of kind and step")
    return {kind: _whole(value.get(kind, -1), -1, 2**31 - 1) for kind in KINDS}
