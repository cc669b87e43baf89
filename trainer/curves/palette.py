"""The colors of curves, on pages and in figures."""

from __future__ import annotations

from typing import Final

PALETTE: Final[dict[str, list[str]]] = {
    "light": ["#0072B2", "#D55E00", "#009E73", "#B8588F", "#C98500", "#3D97CC", "#8C6D00", "#6B6B6B"],
    "dark": ["#4DA3DB", "#F0803C", "#2FC39A", "#E39AC3", "#F2B632", "#8CCBF2", "#E5D84B", "#B0B0B0"],
}
"""Okabe and Ito's colors for color-blind eyes, darkened or lightened where one would be lost on the background.
A run keeps its place in the list, whatever the theme; behind the end the colors begin again, and lines have marks."""
