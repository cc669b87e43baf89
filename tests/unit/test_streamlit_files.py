"""Streamlit's own files come from memory: the same bytes, compressed for browsers that accept it, and cached for good."""

import pyarrow
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from pages.server.streamlit_files import FOLDER, StreamlitFiles

SCRIPT = next(path for path in sorted((FOLDER / "js").iterdir()) if path.name.startswith("index."))
FONT = next(iter(sorted((FOLDER / "media").glob("*.woff2"))))


ZSTD = bytes.fromhex("28b52ffd")


async def other(request):
    return PlainTextResponse(f"Streamlit answers for {request.url.path}")


@pytest.fixture
def browser():
    app = Starlette(routes=[Route("/{path:path}", other, methods=["GET", "POST"])])
    return TestClient(StreamlitFiles(app))


def test_a_script_is_compressed_and_kept(browser):
    for _ in range(2):
        response = browser.get(f"/static/js/{SCRIPT.name}", headers={"accept-encoding": "gzip, br"})
        assert response.content == SCRIPT.read_bytes()
        assert response.headers["content-encoding"] == "gzip"
        assert int(response.headers["content-length"]) < SCRIPT.stat().st_size / 2
        assert response.headers["content-type"].startswith("text/javascript")
        assert "immutable" in response.headers["cache-control"]
        assert response.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0, gzip;q=0.5", "gzip"),
        ("br", "identity"),
        ("*", "identity"),
        ("", "identity"),
    ],
)
def test_the_best_coding_that_a_browser_accepts(browser, accepted, coding):
    response = browser.get(f"/static/js/{SCRIPT.name}", headers={"accept-encoding": accepted})
    assert response.headers["content-encoding"] == coding
    body = response.content
    if body.startswith(ZSTD):  # the client of these tests decodes it only where it has a library for that
        body = pyarrow.Codec("zstd").decompress(body, decompressed_size=SCRIPT.stat().st_size, asbytes=True)
    assert body == SCRIPT.read_bytes()


def test_a_client_without_gzip_gets_plain_bytes(browser):
    response = browser.get(f"/static/js/{SCRIPT.name}", headers={"accept-encoding": "identity"})
    assert response.content == SCRIPT.read_bytes()
    assert response.headers["content-encoding"] == "identity"


def test_what_is_compressed_already_is_left_as_it_is(browser):
    response = browser.get(f"/static/media/{FONT.name}", headers={"accept-encoding": "gzip"})
    assert response.content == FONT.read_bytes()
    assert (response.headers["content-encoding"], response.headers["content-type"]) == (
        "identity",
        "font/woff2",
    )


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/static/",
        "/static/js/none.js",
        "/static/../index.html",
        "/x/static/js/" + SCRIPT.name,
        "/favicon.png",
    ],
)
def test_everything_else_is_streamlits(browser, path):
    assert browser.get(path).text.startswith("Streamlit answers")


def test_so_is_what_is_not_a_plain_request(browser):
    assert browser.post(f"/static/js/{SCRIPT.name}").text.startswith("Streamlit answers")
