"""Text for pages: other people's words made harmless, and the names of runs and states.

Run names, notes, file names and whatever a link contains belong to other people. They reach a page through
`escape_html` (inside `st.html`), `st.text`, or `escape_markdown` where Streamlit takes only Markdown, never as they are.
"""

from __future__ import annotations

import re

from trainer.describe import labels
from trainer.describe.text import escape_html, one_line, shorten
from trainer.store import Run

__all__ = ["escape_html", "escape_markdown", "run_title", "shorten"]

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$:<>&@^=/])")
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)
"""Places in which one invisible character keeps Streamlit from making a link of an address, which it does whatever is escaped."""
_WORD_JOINER = "\u2060"


def escape_markdown(text: object) -> str:
    """Returns text for a Streamlit label or toast: nothing in it is read as Markdown, HTML, a color, an emoji or a link."""
    return _MARKDOWN.sub(r"\\\1", _ADDRESS.sub(_WORD_JOINER, one_line(text)))


def run_title(run: Run) -> str:
    """Returns a run's name, or its number where it has none."""
    return shorten(labels.run_title(run), 60)
