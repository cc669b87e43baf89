"""The first answer names the charts' files, under the very addresses that the charts will ask for."""

import asyncio
import re

import plotly
import pytest

from pages.server.assets import FOLDER, TYPES, assets_version
from pages.server.preload import Preload, links


def answered(content_type: str) -> dict[bytes, bytes]:
    """The headers of an answer of this type that went through the middleware."""
    sent = []

    async def app(scope, receive, send):
        headers = [(b"content-type", content_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(message):
        sent.append(message)

    asyncio.run(Preload(app)({"type": "http"}, None, send))
    return dict(sent[0]["headers"])


def test_a_page_names_the_charts_files():
    addresses = re.findall(r"<\./([^>]+)>", answered("text/html; charset=utf-8")[b"link"].decode())
    paths = sorted(path for path in FOLDER.rglob("*") if path.suffix in TYPES)
    files = [path.relative_to(FOLDER).as_posix() for path in paths]
    assert addresses == [f"api/plotly.js?v={plotly.__version__}"] + [
        f"api/assets/{assets_version()}/{name}" for name in files
    ]


@pytest.mark.parametrize("content_type", ["text/javascript", "application/json", "image/png"])
def test_other_answers_are_left_alone(content_type):
    assert b"link" not in answered(content_type)


def test_modules_and_styles_are_fetched_as_what_they_are():
    for entry in links().split(", "):
        kind = "modulepreload" if ".js>" in entry and "plotly" not in entry else "preload"
        assert f"rel={kind}" in entry
