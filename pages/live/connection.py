"""One live WebSocket, from authentication to close (see `pages.live.routes` for the protocol)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from pages.live import client_messages as checked
from pages.live.client_messages import (
    INTERNAL_ERROR,
    NOT_ALLOWED,
    SILENT,
    TOO_MANY,
    ClosingError,
    RefusedError,
)
from pages.live.hub import Hub
from pages.live.limits import Slots
from pages.live.tokens import Grant, TokenError, Tokens
from pages.live.viewer import Viewer
from trainer.curves.deltas import MAX_POINTS

LOG = logging.getLogger(__name__)

PROTOCOL: Final = 3
AUTH_TIMEOUT: Final = 5.0  # seconds until the first message, which must carry the token
IDLE_TIMEOUT: Final = 90.0  # seconds between two messages; the page pings every 20
BURST: Final = 60  # messages at once
MESSAGES_PER_SECOND: Final = 15.0  # in the long run
MIN_POINTS: Final = 16

Message = dict[str, Any]


class RateLimit:
    """A token bucket: `BURST` messages at once, `MESSAGES_PER_SECOND` in the long run."""

    def __init__(self) -> None:
        self._level, self._at = float(BURST), time.monotonic()

    def count(self) -> None:
        """Counts one message. Raises `ClosingError` when there are too many."""
        now = time.monotonic()
        self._level = min(float(BURST), self._level + (now - self._at) * MESSAGES_PER_SECOND) - 1
        self._at = now
        if self._level < 0:
            raise ClosingError(TOO_MANY, "too many messages")


class Connection:
    """Serves one accepted socket until it closes."""

    def __init__(self, socket: WebSocket, hub: Hub, tokens: Tokens, by_owner: Slots) -> None:
        self._socket, self._hub, self._tokens = socket, hub, tokens
        self._by_owner, self._slot = by_owner, contextlib.ExitStack()
        self._viewer = Viewer()
        self._rate_limit = RateLimit()
        self._grant: Grant | None = None
        self._sending = asyncio.Lock()
        self._actions: dict[str, Callable[[Message], Awaitable[None]]] = {
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
        """Reads and writes side by side until either ends."""
        tasks = [asyncio.create_task(self._read_forever(), name="live-read")]
        try:
            self._hub.join(self._viewer)
            tasks.append(asyncio.create_task(self._write_forever(), name="live-write"))
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await self._close(next(iter(done)).exception())
        finally:
            self._hub.leave(self._viewer)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._slot.close()

    async def _close(self, error: BaseException | None) -> None:
        if error is None or isinstance(error, WebSocketDisconnect):
            return
        if not isinstance(error, ClosingError):
            LOG.error("A live connection failed", exc_info=error)
            error = ClosingError(INTERNAL_ERROR, "internal error")
        with contextlib.suppress(Exception):
            await self._socket.close(error.code, str(error))

    async def _write_forever(self) -> None:
        while True:
            message = await self._hub.next_message(self._viewer)
            async with self._sending:
                if isinstance(message, bytes):
                    await self._socket.send_bytes(message)
                else:
                    await self._socket.send_text(message)

    async def _send(self, **message: Any) -> None:
        async with self._sending:
            await self._socket.send_text(orjson.dumps(message).decode())

    # --- receiving ------------------------------------------------------------------------------------------

    async def _read_forever(self) -> None:
        while True:
            text = await self._receive()
            self._rate_limit.count()
            try:
                await self._act(checked.parse(text))
            except RefusedError as refused:
                await self._send(t="error", code=refused.code, message=str(refused))

    async def _receive(self) -> Any:
        """Returns the next message. Raises `ClosingError` after too long a silence and when the token expires."""
        timeout = AUTH_TIMEOUT
        if self._grant is not None:
            timeout = min(IDLE_TIMEOUT, max(0.0, self._grant.expires - time.time()))
        try:
            event = await asyncio.wait_for(self._socket.receive(), timeout)
        except TimeoutError:
            raise self._timed_out() from None
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1005))
        return event.get("text")

    def _timed_out(self) -> ClosingError:
        if self._grant is None:
            # A busy browser is late: it may try again, as it may not with a token that was refused.
            return ClosingError(SILENT, f"no token was sent within {AUTH_TIMEOUT:.0f} s")
        if time.time() >= self._grant.expires - 1:
            return ClosingError(NOT_ALLOWED, "the token has expired")
        return ClosingError(SILENT, f"no message for {IDLE_TIMEOUT:.0f} s")

    async def _act(self, message: Message) -> None:
        action = self._actions.get(str(message.get("type")))
        if self._grant is None and action != self._auth:
            raise ClosingError(NOT_ALLOWED, "the first message must carry a token")
        if action is None:
            raise RefusedError(
                "unknown_type", f"there is no message of type {str(message.get('type'))[:40]!r}"
            )
        await action(message)

    # --- actions: check the whole message first, then act on it ---------------------------------------------

    async def _auth(self, message: Message) -> None:
        if message.get("protocol") != PROTOCOL:  # a tab that was open while the server was updated
            raise ClosingError(NOT_ALLOWED, f"this server speaks version {PROTOCOL}: reload the page")
        try:
            grant = self._tokens.check(message.get("token"))
        except TokenError as error:
            raise ClosingError(NOT_ALLOWED, str(error)) from None
        if self._grant is None:
            self._slot.enter_context(self._by_owner.taken(grant.owner))
        elif grant.owner != self._grant.owner:
            raise ClosingError(NOT_ALLOWED, "the token belongs to another visitor")
        self._grant = grant
        await self._send(t="ready", protocol=PROTOCOL, expires_in=max(0, int(grant.expires - time.time())))

    async def _refresh(self, message: Message) -> None:
        assert self._grant is not None
        if await self._hub.hidden(self._grant.owner, self._grant.runs):
            raise ClosingError(NOT_ALLOWED, "one of these runs is not yours to see any more: reload the page")
        try:
            token = self._tokens.renew(self._grant)
        except TokenError as error:
            raise RefusedError("too_old", str(error)) from None
        self._grant = self._tokens.check(token)
        await self._send(t="token", token=token, expires_in=self._tokens.lifetime)

    async def _subscribe(self, message: Message) -> None:
        runs = self._granted(message.get("runs"))
        points = checked.integer(message.get("points", MAX_POINTS), MIN_POINTS, MAX_POINTS)
        cursors = checked.cursors_by_run(message.get("cursors", {}), runs)
        self._hub.subscribe(self._viewer, runs, points)
        for run, known in cursors.items():
            self._hub.resync(self._viewer, run, known)

    async def _snapshot(self, message: Message) -> None:
        for run in self._subscribed(message.get("runs")):
            self._viewer.snapshots_due[run] = None
        self._viewer.wake.set()

    async def _range(self, message: Message) -> None:
        runs = self._subscribed(message.get("runs"))
        series = checked.series_names(message.get("series"))
        span = checked.step_range(message.get("x0"), message.get("x1"))
        request = checked.integer(message.get("id", 0), 0, checked.MAX_STEP)
        self._hub.catch_up.add_range(self._viewer, runs, series, span, request)

    async def _resync(self, message: Message) -> None:
        (run,) = self._subscribed([message.get("run")])
        self._hub.resync(self._viewer, run, checked.cursors(message.get("cursors")))

    async def _health(self, message: Message) -> None:
        wanted = checked.health_wanted(message.get("runs"))
        self._subscribed([health.run for health in wanted])
        self._hub.health.subscribe(self._viewer, wanted)

    async def _ping(self, message: Message) -> None:
        await self._send(t="pong")

    def _granted(self, runs: Any) -> list[int]:
        assert self._grant is not None
        return checked.run_ids(runs, self._grant.runs)

    def _subscribed(self, runs: Any) -> list[int]:
        """Returns granted run ids. Raises `RefusedError` for one that is not subscribed to."""
        granted = self._granted(runs)
        for run in granted:
            if run not in self._viewer.runs:
                raise RefusedError("not_subscribed", f"subscribe to run {run} first")
        return granted
