"""What strangers send costs the running server next to no memory, by the kernel's own count: the peak of its resident set."""

from __future__ import annotations

import base64
import os
import re
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from waiting import PATIENCE, until

SOCKETS, SIZE = 6, 190_000_000
CHUNK = bytes(64 * 1024)
MOST = 32 * 1024**2  # bytes by which the peak may grow; all that is sent would be 1.1 GB
TEXT, CONTINUED, LAST = 0x1, 0x0, 0x80
MASKED = 0x80


def one_frame() -> Iterator[bytes]:
    """A message of `SIZE` bytes in one frame. Its mask is zero, so that the payload is sent as it is."""
    yield struct.pack("!BBQ4x", LAST | TEXT, MASKED | 127, SIZE)
    yield from (CHUNK for _ in range(SIZE // len(CHUNK)))


def many_frames() -> Iterator[bytes]:
    """The same in small frames, none of which is the last."""
    for number in range(SIZE // len(CHUNK)):
        yield struct.pack("!BBQ4x", CONTINUED if number else TEXT, MASKED | 127, len(CHUNK)) + CHUNK


def send(url: str, message: Callable[[], Iterator[bytes]]) -> int:
    """Sends a message to the live connection, without a token, for as long as the server takes it; returns the bytes sent."""
    where, sent = urlsplit(url), 0
    with socket.create_connection((where.hostname, where.port), PATIENCE) as connection:
        key = base64.b64encode(os.urandom(16)).decode()
        connection.sendall(
            f"GET /api/live HTTP/1.1\r\nHost: {where.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert connection.recv(1024).startswith(b"HTTP/1.1 101 ")
        with suppress(ConnectionError):
            for piece in message():
                connection.sendall(piece)
                sent += len(piece)
    return sent


class Memory:
    """The resident set of a process, in bytes."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def forget_peak(self) -> None:
        (self._folder / "clear_refs").write_text("5")

    @property
    def peak(self) -> int:
        status = (self._folder / "status").read_text()
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])

    def has_loaded(self, library: str) -> bool:
        return library in (self._folder / "maps").read_text()


@pytest.mark.parametrize("message", [one_frame, many_frames])
def test_messages_without_end_are_not_kept(own_site, message):
    own_site.start()
    memory = Memory(own_site.process.pid)
    until(lambda: memory.has_loaded("pandas"), "The server never imported what its other pages need.")
    send(own_site.url, message)  # the first connection opens the hub and its database, once
    memory.forget_peak()
    before = memory.peak
    with ThreadPoolExecutor(SOCKETS) as threads:
        sent = list(threads.map(lambda _: send(own_site.url, message), range(SOCKETS)))
    assert memory.peak - before < MOST
    assert max(sent) < SIZE / 2, "the server ends a connection long before its message does"
