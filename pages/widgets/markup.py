"""HTML that several pages draw. Other people's text is escaped in here, so callers pass it as it is."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pages.widgets.text import escape_html, shorten
from trainer.config import Change
from trainer.describe.labels import Differences, in_words
from trainer.describe.markup import table_html


def quiet(sentence: str) -> str:
    """Returns a sentence in muted color."""
    return f'<p class="tp-quiet">{escape_html(sentence)}</p>'


def notice(sentence: str) -> str:
    """Returns a sentence beside an information sign."""
    return f'<p class="tp-notice">{escape_html(sentence)}</p>'


def problem(*sentences: str) -> str:
    """Returns what is wrong, on lines of their own, announced to screen readers."""
    return _message("problem", sentences)


def warning(*sentences: str) -> str:
    """Returns what needs attention though nothing failed, announced to screen readers."""
    return _message("warning", sentences)


def information(*sentences: str) -> str:
    """Returns what is good to know in place of what was asked for."""
    return _message("information", sentences)


def waiting(sentence: str) -> str:
    """Returns a sentence beside a spinner, announced to screen readers."""
    return f'<p class="tp-waiting" role="status"><i></i>{escape_html(sentence)}</p>'


def _message(kind: str, sentences: Iterable[str]) -> str:
    role = "status" if kind == "information" else "alert"
    lines = "<br>".join(map(escape_html, sentences))
    return f'<p class="tp-message tp-{kind}" role="{role}">{lines}</p>'


def chips(changes: Iterable[Change], empty: str = "") -> str:
    """Returns one chip per change, such as "Dropout rate 0 → 0.5"; without changes, the sentence `empty`."""
    items = "".join(
        f'<li class="tp-chip">{escape_html(change.label)} '
        f"<b>{escape_html(shorten(change.before, 40) or '–')}"
        f'<span class="tp-arrow" aria-label="to"> → </span>{escape_html(shorten(change.after, 40) or "–")}</b></li>'
        for change in changes
    )
    if items:
        return f'<ul class="tp-chips">{items}</ul>'
    return f'<span class="tp-quiet">{escape_html(empty)}</span>' if empty else ""


def difference_chips(differs: Differences) -> str:
    """Returns one chip per difference, such as "Batch norm" or "Dropout rate 0.5"; its title says from what to what."""
    items = "".join(
        f'<li class="tp-chip" title="{escape_html(change)}">{escape_html(in_words(change))}</li>'
        for change in differs.changes
    )
    items += "".join(f'<li class="tp-chip">{escape_html(remark)}</li>' for remark in differs.remarks)
    if items:
        return f'<ul class="tp-chips">{items}</ul>'
    return f'<span class="tp-quiet">{escape_html(differs.unchanged)}</span>'


def state_pill(state: str, label: str) -> str:
    """Returns a run's state as a dot and a word, so that color is never the only sign."""
    return f'<span class="tp-pill tp-{escape_html(state)}"><i></i>{escape_html(label)}</span>'


def facts_list(facts: Mapping[str, str]) -> str:
    """Returns names with their values, side by side where there is room; nothing without facts."""
    pairs = "".join(
        f"<div><dt>{escape_html(name)}</dt><dd>{escape_html(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f'<dl class="tp-facts">{pairs}</dl>' if pairs else ""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """Returns a table whose rows start with their header; with a caption, one as narrow as its numbers."""
    css = "tp-knobs tp-numbers" if caption else "tp-knobs"
    return f'<div class="tp-scroll">{table_html(columns, rows, caption, css)}</div>'


def image(pixels: NDArray[np.uint8], alt: str) -> str:
    """Returns pixels [height, width, channels] as a PNG inside the page; what is no photograph shows its first channel."""
    shown = pixels if pixels.shape[2] == 3 else pixels[:, :, 0]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shown)).save(file, "png")
    return f'<img src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}" alt="{escape_html(alt)}">'
