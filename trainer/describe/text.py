"""Other people's text made harmless: run names, notes, arm names, file names, and whatever a link contains."""

from __future__ import annotations

import html
import re

_SPACE = re.compile(r"\s+")
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the reading direction: left open, they would turn the words around them too."""


def escape_html(text: object) -> str:
    """Returns text for use inside HTML, or inside the little HTML that Plotly reads."""
    return html.escape(_DIRECTION.sub("", str(text)), quote=True)


def shorten(text: object, length: int = 80) -> str:
    """Returns one line of at most `length` characters, the last an ellipsis where something was cut."""
    line = one_line(text)
    return line if len(line) <= length else line[: length - 1] + "…"


def one_line(text: object) -> str:
    """Returns text with each run of white space as one space."""
    return _SPACE.sub(" ", _DIRECTION.sub("", str(text))).strip()
