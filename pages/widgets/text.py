"""Text for pages: other people's words made harmless, and the names of runs and states.

Run names, notes, file names and whatever a link contains belong to other people. They reach a page through
`escape_html` (inside `st.html`), `st.text`, or `escape_markdown` where Streamlit takes only Markdown, never as they are.
"""

from __future__ import annotations

import html
import re

from trainer.describe import labels
from trainer.store import Run

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$:<>&@^=/])")
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)
"""Places in which one invisible character keeps Streamlit from making a link of an address, which it does whatever is escaped."""
_WORD_JOINER = "\u2060"
_SPACE = re.compile(r"\s+")
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the reading direction: left open, they would turn the page's own words too."""


def escape_html(text: object) -> str:
    """Returns text for use inside `st.html`."""
    return html.escape(_DIRECTION.sub("", str(text)), quote=True)


def escape_markdown(text: object) -> str:
    """Returns text for a Streamlit label or toast: nothing in it is read as Markdown, HTML, a color, an emoji or a link."""
    return _MARKDOWN.sub(r"\\\1", _ADDRESS.sub(_WORD_JOINER, _one_line(text)))


def shorten(text: object, length: int = 80) -> str:
    """Returns one line of at most `length` characters, the last an ellipsis where something was cut."""
    line = _one_line(text)
    return line if len(line) <= length else line[: length - 1] + "…"


def run_title(run: Run) -> str:
    """Returns a run's name, or its number where it has none."""
    return shorten(labels.run_title(run), 60)


def _one_line(text: object) -> str:
    return _SPACE.sub(" ", _DIRECTION.sub("", str(text))).strip()
