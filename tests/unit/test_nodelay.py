"""Connections that a server accepts send small messages at once, also where its socket names no protocol."""

import socket
from contextlib import closing

import pytest

from pages.server.nodelay import send_at_once


def nodelay(one: socket.socket) -> bool:
    return bool(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_connections_that_are_accepted_send_at_once(family, address):
    with closing(socket.socket(family)) as server:  # as Streamlit opens it
        try:
            server.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no {address}")
        server.listen()
        client = socket.create_connection(server.getsockname()[:2])
        early, _ = server.accept()
        send_at_once()
        with closing(client), closing(early), socket.create_connection(server.getsockname()[:2]) as second:
            accepted, _ = server.accept()
            with accepted:
                assert nodelay(accepted)
                assert not nodelay(early)  # only what listens is touched
                second.sendall(b"x")
                assert accepted.recv(1) == b"x"


def test_files_and_other_sockets_are_left_alone(tmp_path):
    here, there = socket.socketpair()
    with (
        here,
        there,
        (tmp_path / "file").open("w") as file,
        closing(socket.socket(socket.AF_UNIX)) as local,
    ):
        local.bind(str(tmp_path / "s"))
        local.listen()
        send_at_once()
        file.write("open")
        here.sendall(b"x")
        assert there.recv(1) == b"x"
