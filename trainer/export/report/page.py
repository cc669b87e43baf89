"""The whole report: one file, in which nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from plotly.offline import get_plotlyjs

from trainer.describe.text import escape_html
from trainer.export.report.comparison_part import comparison_html
from trainer.export.report.run_part import runs_html
from trainer.settings import VERSION
from trainer.store import Store

FOLDER = Path(__file__).parent


def report_html(store: Store, comparison_ids: Sequence[int], run_ids: Sequence[int] = ()) -> str:
    """Returns a report on comparisons and runs. Raises StoreError when there is none with one of the ids."""
    found = [comparison_html(store, one) for one in comparison_ids]
    parts = [part for _, part in found]
    if run_ids:
        parts.append(runs_html(store, run_ids))
    title = found[0][0] if len(found) == 1 and not run_ids else "Report"
    scripts = [get_plotlyjs(), (FOLDER / "report.js").read_text(encoding="utf-8")]
    style = (FOLDER / "report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape_html(title)} · Trainscope</title><style>{style}</style></head><body><main>"
        f"<h1>Trainscope report</h1>{''.join(parts)}</main>"
        f'<footer><p class="quiet">{escape_html(_versions())}</p></footer>'
        f"{''.join(f'<script>{script}</script>' for script in scripts)}</body></html>\n"
    )


def _policy(scripts: Sequence[str]) -> str:
    """Nothing is loaded, and no script runs but these: whatever other people's text may hold."""
    digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"


def _versions() -> str:
    return (
        f"Written on {datetime.now(UTC):%d %B %Y} by Trainscope {VERSION}, with torch {metadata.version('torch')} and Python "
        f"{platform.python_version()} on {platform.system()} {platform.machine()}. Other versions, and other machines, may "
        "give numbers that differ in their last digits."
    )
