"""What browsers are told with each response, which origins are heard, and when an open door is said."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path

import pytest
from streamlit import config

from pages.server.security import Security, exposure


def respond(kind="text/html; charset=utf-8", scope_type="http", path="/", **headers):
    """What the middleware sends, and the headers of the request that reached the application."""
    sent, seen = [], []

    async def app(scope, receive, send):
        seen.extend(scope["headers"])
        started = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", kind.encode())],
        }
        await send(started if scope_type == "http" else {"type": "websocket.accept"})

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(Security(app)({"type": scope_type, "path": path, "headers": raw}, receive, send))
    return sent, dict(seen)


def test_every_response_has_headers_that_keep_a_browser_safe():
    (start,), _ = respond()
    headers = dict(start["headers"])
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"referrer-policy"] == b"same-origin"
    policy = headers[b"content-security-policy"].decode()
    assert "frame-ancestors 'self'" in policy
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "'unsafe-inline'" not in scripts
    assert "'unsafe-eval'" not in scripts
    (start,), _ = respond("image/png")
    assert dict(start["headers"])[b"x-content-type-options"] == b"nosniff"


def test_a_foreign_origin_reaches_no_check_that_asks_a_web_service():
    _, seen = respond(origin="https://evil.io", host="lab.example.org")
    assert b"origin" not in seen
    _, seen = respond(origin="http://lab.example.org", host="lab.example.org")
    assert seen[b"origin"] == b"http://lab.example.org"
    sent, seen = respond(scope_type="websocket", origin="https://evil.io", host="lab.example.org")
    assert [message["type"] for message in sent] == ["websocket.close"]
    assert seen == {}
    sent, _ = respond(scope_type="websocket", origin="http://lab.example.org", host="lab.example.org")
    assert [message["type"] for message in sent] == ["websocket.accept"]


@pytest.mark.parametrize(
    ("address", "hosts", "words"),
    [
        ("localhost", [], ""),
        ("127.0.0.1", [], ""),
        ("::1", [], ""),
        ("0.0.0.0", [], "listens on 0.0.0.0"),
        ("192.168.1.7", [], "STREAMLIT_SERVER_ALLOWED_HOSTS"),
        (None, [], "every address of this machine"),
        ("0.0.0.0", ["lab.example.org"], ""),
    ],
)
def test_an_open_door_is_said(monkeypatch, address, hosts, words):
    settings = {"server.address": address, "server.allowedHosts": hosts}
    monkeypatch.setattr(config, "get_option", settings.get)
    assert words in exposure()
    assert bool(words) == bool(exposure())


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/base/_stcore/metrics", "/_stcore/metrics/"])
def test_nobody_reads_the_metrics(path):
    (start, _), seen = respond(path=path, host="lab.example.org")
    assert start["status"] == 404
    assert seen == {}  # the request went no further


def test_the_terminal_prints_an_address_that_nobody_has_to_look_up():
    """Else Streamlit asks a web service for this machine's external address where it listens for others, too."""
    text = (Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text("utf-8")
    assert tomllib.loads(text)["browser"]["serverAddress"] == "localhost"
