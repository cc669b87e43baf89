"""A tab without a browser: Streamlit's AppTest around the real script, and ways to find what stands on it."""

import re
from html import unescape
from pathlib import Path

from streamlit.testing.v1 import AppTest
from waiting import PATIENCE

from trainer.store import Store

VISITOR = "A" * 22
SHELL = Path(__file__).parents[2] / "pages" / "shell.py"


class Lab:
    """A tab: the app under test, and the store it writes to."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def open(self, **query: str) -> AppTest:
        """A fresh tab at an address."""
        app = AppTest.from_file(SHELL, default_timeout=PATIENCE)
        for key, value in query.items():
            app.query_params[key] = value
        return app.run()

    @staticmethod
    def go(app: AppTest, page: str) -> AppTest:
        """Follow the navigation's link to a page ("" is Train), as AppTest can for pages that are files."""
        pages = app._registered_pages
        app._page_hash = next(key for key, info in pages.items() if info.get("url_pathname") == page)
        return app.run()

    def runs(self):
        return self.store.runs(VISITOR, archived=None)


def widget(app: AppTest, key: str):
    """The widget with this key, whatever its kind."""
    for kind in ("button", "selectbox", "slider", "number_input", "toggle", "text_input", "text_area"):
        for element in getattr(app, kind):
            if element.key == key:
                return element
    raise AssertionError(f"no widget {key!r}")


def has(app: AppTest, key: str) -> bool:
    try:
        widget(app, key)
    except AssertionError:
        return False
    return True


def messages(app: AppTest, kind: str) -> list[str]:
    """The messages of one kind on the page: "problem", "warning" or "information"."""
    bodies = "".join(html.proto.body for html in app.get("html"))
    return [
        unescape(text.replace("<br>", "\n"))
        for text in re.findall(rf'<p class="tp-message tp-{kind}"[^>]*>(.*?)</p>', bodies)
    ]


def text_of(app: AppTest) -> str:
    """Everything that is written on the page, tags included."""
    parts = [
        getattr(element, "value", "")
        for kind in ("markdown", "text", "info", "warning", "error", "caption")
        for element in getattr(app, kind)
    ]
    return "\n".join(str(part) for part in parts) + "\n".join(html.proto.body for html in app.get("html"))
