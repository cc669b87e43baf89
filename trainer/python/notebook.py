"""Whether somebody watches, and a figure in a notebook that changes while they do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go

INTERVAL = 1.5
"""Seconds between two changes of the figure."""
TERMINAL = "TerminalInteractiveShell"
"""The shell of IPython's that is no notebook and draws no figures."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook. IPython is not imported to find out: a kernel has imported it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and type(shell).__name__ != TERMINAL


def is_watched() -> bool:
    """Whether somebody sees what is printed while something trains."""
    return in_notebook() or sys.stderr.isatty()


class LiveFigure:
    """The figure that `draw` returns, in the output of a notebook's cell, drawn anew every now and then."""

    def __init__(self, draw: Callable[[], go.Figure]) -> None:
        from IPython.display import display

        self._draw = draw
        # As raw data: Plotly shows a figure object in a way that cannot change later.
        self._handle: Any = display(_raw(draw()), raw=True, display_id=True)
        self._due = time.monotonic() + INTERVAL

    def update(self, now: bool = False) -> None:
        """Draws it if it is time, or `now`."""
        if now or time.monotonic() >= self._due:
            self._handle.update(_raw(self._draw()), raw=True)
            self._due = time.monotonic() + INTERVAL


def _raw(figure: go.Figure) -> Any:
    return figure._repr_mimebundle_()
