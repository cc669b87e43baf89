"""Samples of a batch, before and after augmentation and mixing, as HTML: images, texts or rows with their labels."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pages.widgets.markup import image, quiet
from pages.widgets.text import escape_html, shorten


def samples_html(gallery: Mapping[str, Any]) -> str:
    """Returns the gallery of `trainer.preflight.sample_batch`, whatever its kind."""
    draw = {"images": _image, "texts": _text, "rows": _row}[gallery["kind"]]
    items = "".join(f"<li>{draw(item, gallery)}</li>" for item in gallery["items"])
    kind = "images tp-pairs" if gallery["kind"] == "images" and gallery["changed"] else gallery["kind"]
    if gallery["changed"]:
        title, text = (
            "Samples, before and after",
            "As in the data, and as the network gets them in the first step.",
        )
    else:
        title = "Samples of the first batch"
        text = "No augmentation and no mixing: the network gets them as they are."
    return f'<h3 class="tp-figure">{title}</h3>{quiet(text)}<ul class="tp-samples tp-{kind}">{items}</ul>'


def _image(item: Mapping[str, Any], gallery: Mapping[str, Any]) -> str:
    label = shorten(item["label"], 24)
    before = _picture(item["before"], gallery["shape"], f"Class {label}, as it is")
    if gallery["changed"]:
        before += '<span aria-hidden="true">→</span>' + _picture(
            item["after"], gallery["shape"], f"Class {label}, as the network gets it"
        )
    return f"<div>{before}</div>{_labels(item, gallery['unit'])}"


def _picture(pixels: str, shape: Sequence[int], alt: str) -> str:
    return image(np.frombuffer(b64decode(pixels), np.uint8).reshape(shape), alt)


def _labels(item: Mapping[str, Any], unit: str) -> str:
    """Returns the label, or what mixing and smoothing made of it."""
    shares = item["asked"]
    if not shares:
        numbers = ", ".join(f"{value:.3g}" for value in item["label"])
        return f'<span class="tp-label">→ {escape_html(f"{numbers} {unit}".strip())}</span>'
    if len(shares) == 1 and shares[0][1] > 0.995:
        return f'<span class="tp-label">{escape_html(shorten(shares[0][0], 24))}</span>'
    text = " · ".join(f"“{shorten(name, 24)}” {100 * share:.0f}%" for name, share in shares)
    return f'<span class="tp-label">{escape_html(text)}</span>'


def _text(item: Mapping[str, Any], gallery: Mapping[str, Any]) -> str:
    before = f"<q>{escape_html(shorten(item['before'], 300))}</q>"
    if item["after"] != item["before"]:
        before += f' <span aria-label="becomes">→</span> <q>{escape_html(shorten(item["after"], 300))}</q>'
    return f"{before} {_labels(item, gallery['unit'])}"


def _row(item: Mapping[str, Any], gallery: Mapping[str, Any]) -> str:
    more = "" if gallery["columns"] <= len(item["before"]) else f" … ({gallery['columns']} columns)"
    before = f"<code>{_numbers(item['before'])}{more}</code>"
    if item["after"] != item["before"]:
        before += f' <span aria-label="becomes">→</span> <code>{_numbers(item["after"])}{more}</code>'
    return f"{before} {_labels(item, gallery['unit'])}"


def _numbers(values: Sequence[float]) -> str:
    return escape_html(", ".join(f"{value:.3g}" for value in values))
