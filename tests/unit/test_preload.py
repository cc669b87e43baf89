"""The first answer names what the first page will ask for, under the very same addresses."""

import asyncio
import re

import pytest

from pages.server.assets import assets_version
from pages.server.plotly_script import VERSION
from pages.server.preload import ELEMENTS, ICONS, STATIC, Preload, links


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
    of_charts = [address for address in addresses if address.startswith("api/")]
    assert of_charts == [f"api/plotly.js?v={VERSION}"] + [
        f"api/assets/{assets_version()}/{name}" for name in ("panels.js", "panels.css")
    ]


def test_a_page_names_what_its_elements_need_and_nothing_twice():
    """Streamlit's own page names the rest."""
    addresses = re.findall(r"<\./(static/[^>]+)>", links())
    assert len(addresses) == len(set(addresses))
    assert [address for address in addresses if not (STATIC / address).is_file()] == []
    page = (STATIC / "index.html").read_text("utf-8")
    for element in ELEMENTS:
        assert sum(address.startswith(f"static/js/{element}.") for address in addresses) == 1, element
    for address in (one for one in addresses if one.endswith(".js")):
        imported = re.findall(r'from"\./([^"]+)"', (STATIC / address).read_text("utf-8"))
        assert [one for one in imported if f"static/js/{one}" not in addresses and one not in page] == []
    assert sum(address.startswith(ICONS) for address in addresses) == 1


def test_the_header_fits_a_proxy():
    """Proxies take 4 to 8 kB of headers unless they are told otherwise."""
    assert len(links()) < 3500


@pytest.mark.parametrize("content_type", ["text/javascript", "application/json", "image/png"])
def test_other_answers_are_left_alone(content_type):
    assert b"link" not in answered(content_type)


def test_modules_and_styles_are_fetched_as_what_they_are():
    for entry in links().split(", "):
        kind = "modulepreload" if ".js>" in entry else "preload"
        assert f"rel={kind}" in entry
