"""The cookie that says whose browser it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.datastructures import Headers
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message

from pages.server.visitor import VisitorCookie, known_visitor


def ask(app: ASGIApp, path: str, **headers: str) -> tuple[int, Headers]:
    """Returns the status and the headers of a page's answer."""
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()  # nothing more comes, and nobody leaves
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    headers = {"accept": "text/html,*/*;q=0.8", **headers}
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "headers": given, "scheme": "http"}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], Headers(raw=sent[0]["headers"])


def test_a_browser_that_lost_its_cookie_but_not_its_cache_gets_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>Hello</p>")
    app = VisitorCookie(StaticFiles(directory=tmp_path, html=True))
    status, headers = ask(app, "/")
    assert status == 200
    mine = headers["set-cookie"].partition(";")[0]
    assert known_visitor(mine)
    conditions = {"if_none_match": headers["etag"], "if_modified_since": headers["last-modified"]}
    assert ask(app, "/", cookie=mine, **conditions)[0] == 304
    status, headers = ask(app, "/", **conditions)
    assert status == 200
    assert known_visitor(headers["set-cookie"].partition(";")[0]) != known_visitor(mine)
