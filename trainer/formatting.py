"""Sizes, durations and numbers as people read them: on pages, in the terminal and in errors."""

from __future__ import annotations

import math
from typing import Any


def format_bytes(count: float) -> str:
    """Returns bytes in decimal units: "512 B", "1.2 MB", "104 GB"; a dash where the number is unknown (NaN)."""
    if math.isnan(count):
        return "–"
    units = ["B", "kB", "MB", "GB"]
    while count >= 999.5 and len(units) > 1:
        count, units = count / 1000, units[1:]
    number = f"{count:.2g}" if count < 9.95 else f"{count:.0f}"
    return f"{number} {units[0]}"


def format_duration(seconds: float | None) -> str:
    """Returns "8.0 s", "2 min 5 s" or "3 h 20 min"; a dash where the duration is unknown."""
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


def format_number(value: Any, digits: int = 4) -> str:
    """Returns a measured number with a few significant digits; a dash where there is none."""
    return f"{value:.{digits}g}" if isinstance(value, int | float) and not isinstance(value, bool) else "–"
