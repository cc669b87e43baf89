"""Text for pages: other people's words made harmless, and numbers, times and states as people read them.

Run names, notes, file names and whatever stands in a link belong to other people. They reach a page through
`escape_html` (inside `st.html`), `escape_markdown` (inside labels and messages) or `st.text`, never as they are.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from trainer.config import Change

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$:<>&@^=/])")
_SPACE = re.compile(r"\s+")
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Signs that turn the direction of what follows: without their end they would turn the page's own words too."""


def escape_html(text: object) -> str:
    """Text for use inside `st.html`."""
    return html.escape(_TURNS.sub("", str(text)), quote=True)


def escape_markdown(text: object) -> str:
    """Text for use inside a Streamlit label or message: nothing in it is read as Markdown, HTML, colour or emoji."""
    return _MARKDOWN.sub(r"\\\1", _one_line(text))


def shorten(text: object, length: int = 80) -> str:
    """At most `length` characters, the last an ellipsis where something was cut."""
    line = _one_line(text)
    return line if len(line) <= length else line[: length - 1] + "…"


def _one_line(text: object) -> str:
    return _SPACE.sub(" ", _TURNS.sub("", str(text))).strip()


def run_title(run: Any) -> str:
    """A run's name, or its number where it has none."""
    return shorten(run.name, 60) if run.name.strip() else f"Run {run.id}"


def chips(changes: Iterable[Change], empty: str = "") -> str:
    """HTML of one chip for each change: "Dropout rate 0 → 0.5"."""
    items = "".join(
        f'<li class="tp-chip">{escape_html(change.label)} '
        f"<b>{escape_html(shorten(change.before, 40) or '–')}"
        f'<span class="tp-arrow" aria-label="to"> → </span>{escape_html(shorten(change.after, 40) or "–")}</b></li>'
        for change in changes
    )
    if items:
        return f'<ul class="tp-chips">{items}</ul>'
    return f'<span class="tp-quiet">{escape_html(empty)}</span>' if empty else ""


def status_pill(status: str, label: str) -> str:
    """HTML of a run's state: a dot and a word, so that colour is never the only sign."""
    return f'<span class="tp-pill tp-{escape_html(status)}"><i></i>{escape_html(label)}</span>'


def duration(seconds: float | None) -> str:
    """Seconds as people say them: "8 s", "2 min 5 s", "3 h 20 min"."""
    if seconds is None or not 0 <= seconds < 1e9:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def elapsed(run: Any) -> float | None:
    """Seconds that a run has trained: what it counted itself, else the time between its start and its end."""
    counted = (run.results or {}).get("seconds", run.progress.get("seconds"))
    if counted is not None:
        return float(counted)
    if run.started is None:
        return None
    return ((run.ended or datetime.now(UTC)) - run.started).total_seconds()


def number(value: Any, digits: int = 4) -> str:
    """A measured number, short; a dash where there is none."""
    return f"{value:.{digits}g}" if isinstance(value, int | float) and not isinstance(value, bool) else "–"


def metric(value: Any, task: str, unit: str = "") -> str:
    """Accuracy in percent, or an error in its unit."""
    if not isinstance(value, int | float):
        return "–"
    return f"{100 * value:.1f} %" if task == "classification" else f"{value:.3g} {unit}".strip()
