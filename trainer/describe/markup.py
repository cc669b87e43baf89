"""HTML that pages and reports share. Other people's text is escaped in here, so callers pass it as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trainer.describe.text import escape_html


def table_html(
    columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "", css: str = ""
) -> str:
    """Returns a table whose rows start with their header."""
    head = "".join(f'<th scope="col">{escape_html(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{escape_html(first)}</th>{"".join(f"<td>{escape_html(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    title = f"<caption>{escape_html(caption)}</caption>" if caption else ""
    return f'<table class="{css}">{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
