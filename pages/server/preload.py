"""Preloads what the first page needs: the browser fetches it beside Streamlit's own scripts.

Otherwise it would request the charts' files, and Streamlit's scripts for each kind of control, only after the first script
run, whose messages name them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

import streamlit
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.server.assets import asset_names, assets_version
from pages.server.first_page import first_page
from pages.server.plotly_script import VERSION

STATIC: Final = Path(streamlit.__file__).parent / "static"
ELEMENTS: Final = (
    "Html", "TextInput", "Checkbox", "Slider", "Selectbox", "NumberInput", "Button", "BidiComponent",
)  # fmt: skip
"""Streamlit's scripts for what stands on the Train page, as their files are called; one that is gone is not preloaded."""

ICONS: Final = "static/media/MaterialSymbols-Rounded."
_IMPORTED: Final = re.compile(r'(?:from|import)"\./([\w.-]+\.js)"')


class Preload:
    """ASGI middleware that adds a `Link` header to every HTML response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the request; an HTML response names the charts' files."""

        async def send_with_links(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    first_page.asked = True
                    headers.append("link", links())
            await send(message)

        await self._app(scope, receive, send_with_links if scope["type"] == "http" else send)


@lru_cache(maxsize=1)
def links() -> str:
    """Returns the header's value. Addresses are relative, as in Streamlit's own page, so that they hold under any base path."""
    found = [f"<./api/plotly.js?v={VERSION}>; rel=preload; as=script; fetchpriority=low"]
    for name in asset_names():
        kind = "modulepreload" if name.endswith(".js") else "preload; as=style"
        found.append(f"<./api/assets/{assets_version()}/{name}>; rel={kind}")
    found += [f"<./static/js/{name}>; rel=modulepreload" for name in _scripts()]
    found += [f"<./{name}>; rel=preload; as=font; crossorigin" for name in _files(ICONS)]
    return ", ".join(found)


def _scripts() -> list[str]:
    """Returns the scripts of `ELEMENTS`, and those that they import, without those that Streamlit's page names itself."""
    page = (STATIC / "index.html").read_text("utf-8")
    found: dict[str, None] = {}
    for element in ELEMENTS:
        for path in _files(f"static/js/{element}."):
            found |= dict.fromkeys(_with_imports(Path(path).name, found))
    return [name for name in found if name not in page]


def _with_imports(name: str, known: Iterable[str]) -> Iterator[str]:
    """Yields a script's name and those that it imports."""
    seen, due = set(known), [name]
    while due:
        if (name := due.pop()) in seen:
            continue
        seen.add(name)
        yield name
        due += _IMPORTED.findall((STATIC / "static" / "js" / name).read_text("utf-8"))


def _files(prefix: str) -> list[str]:
    """Returns the files below `STATIC` whose path begins so."""
    return [path.relative_to(STATIC).as_posix() for path in sorted(STATIC.glob(f"{prefix}*"))]
