"""Sends small messages at once.

Otherwise the kernel holds back each while the browser has not acknowledged the one before, which it delays by up to 40 ms
(Nagle's algorithm and delayed acknowledgments, RFC 1122, section 4.2.3): the body behind a response's header, or a WebSocket's
message behind another. asyncio turns that off, but not for the socket that Streamlit opens, which names no protocol.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

_DESCRIPTORS: Final = Path("/dev/fd")


def send_at_once() -> None:
    """Sets TCP_NODELAY on the sockets that this process listens on; the connections that they accept inherit it."""
    for path in list(_DESCRIPTORS.iterdir()) if _DESCRIPTORS.is_dir() else ():
        with suppress(OSError):  # closed meanwhile
            copy = os.dup(int(path.name))
            try:
                _set_nodelay(copy)
            finally:
                os.close(copy)


def _set_nodelay(descriptor: int) -> None:
    try:
        one = socket.socket(fileno=descriptor)
    except OSError:  # no socket
        return
    listens = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if listens and one.family in (socket.AF_INET, socket.AF_INET6):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.detach()  # the descriptor is the caller's
