"""A figure inside a report: its data, which the report's script draws, and its words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import orjson

from trainer.curves.palette import PALETTE
from trainer.describe.text import escape_html

if TYPE_CHECKING:
    import plotly.graph_objects as go


def chart_html(name: str, draw: Callable[[Sequence[str]], go.Figure], words: str, caption: str) -> str:
    """Returns the place of a figure with its data beside it, and its `words` for those who do not see it. `draw` makes it with a
    palette; the other theme needs only its colors."""
    figures = {theme: draw(palette) for theme, palette in PALETTE.items()}
    colors = {theme: [_colors(trace) for trace in figure.data] for theme, figure in figures.items()}
    figure = figures["light"].update_layout(
        template="none", paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)"
    )
    figure.update_xaxes(automargin=True).update_yaxes(automargin=True)
    content = orjson.loads(figure.to_json())
    data = json_html({"data": content["data"], "layout": content["layout"], "colors": colors})
    return (
        f'<figure><div class="chart" id="{name}" role="img" aria-label="{escape_html(words)}"></div>'
        f'<script type="application/json" id="{name}-data">{data}</script>'
        f"<figcaption>{escape_html(caption)}</figcaption></figure>"
    )


def json_html(value: object) -> str:
    """Returns JSON that nothing in it can end early, inside a script element."""
    text = orjson.dumps(value).decode()
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _colors(trace: go.Scatter) -> tuple[str, str | None]:
    return trace.line.color, trace.fillcolor
