"""What strangers may take of the live connection: the size of a message, and the number of connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.types import Receive
from websockets.protocol import Protocol

from pages.live.client_messages import MAX_CHARACTERS, TOO_MANY, ClosingError

MAX_CONNECTIONS: Final = 1000
MAX_PER_ADDRESS: Final = 500  # a class behind one router, or everybody behind a proxy, shares an address
MAX_PER_OWNER: Final = 64
MAX_MESSAGE_BYTES: Final = 4 * MAX_CHARACTERS  # of UTF-8
MAX_SESSION_MESSAGE_BYTES: Final = (
    1_000_000  # of a Streamlit session: the state of its widgets; files come by HTTP
)


class Slots:
    """Counts connections that are open by a key, such as the address that they come from."""

    def __init__(self, limit: int) -> None:
        self._limit, self._open = limit, Counter[str]()

    @contextmanager
    def taken(self, key: str = "") -> Iterator[None]:
        """Counts one connection. Raises `ClosingError` when `limit` of the same key are open."""
        if self._open[key] >= self._limit:
            raise ClosingError(TOO_MANY, "too many connections")
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]


def limit_messages(receive: Receive, most: int) -> None:
    """Limits what uvicorn buffers of one message on this connection, in bytes. Its own limit is Streamlit's for all
    connections: what a page may send to a browser, and so what a stranger may send to a page."""
    protocol = getattr(getattr(receive, "__self__", None), "conn", None)
    if isinstance(protocol, Protocol):  # another server keeps to the limit that it was started with
        protocol.max_message_size = most
