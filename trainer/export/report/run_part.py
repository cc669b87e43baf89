"""The part of a report about single runs."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.comparison.figure import run_chart
from trainer.comparison.tables import Table
from trainer.config import RunConfig
from trainer.describe.figures import figures
from trainer.describe.labels import differences
from trainer.describe.text import escape_html
from trainer.export.report.chart import chart_html
from trainer.export.report.comparison_part import configuration, scrolling
from trainer.store import Run, Store


def runs_html(store: Store, run_ids: Sequence[int]) -> str:
    """Returns the part about these runs. Raises StoreError when there is none with one of the ids."""
    runs = [store.run(one) for one in run_ids]
    curves = {run.id: store.read_points(run.id, "epoch") for run in runs}
    titles = {run.id: f"Run {run.id} {run.name}".strip() for run in runs}
    parts = ["<h2>Runs</h2>"]
    if any(len(curve) for curve in curves.values()):
        lines = [(titles[run.id], curves[run.id]) for run in runs]
        words = "Validation loss by epoch of " + ", ".join(titles.values())
        parts.append(
            chart_html("runs", lambda colors: run_chart(lines, colors), words, "Validation loss by epoch.")
        )
    rows = [[titles[run.id], run.status, *_texts(run)] for run in runs]
    columns = ["Run", "State", "Differs from the defaults", "Results"]
    parts.append(scrolling(Table(columns, rows, "What each run was and measured")))
    for run in runs:
        parts.append(f'<p class="notes" dir="auto">{escape_html(run.notes)}</p>' if run.notes else "")
        parts.append(configuration(titles[run.id], _text(run)))
    return f"<section>{''.join(parts)}</section>"


def _texts(run: Run) -> list[str]:
    config = RunConfig.from_stored(run.config)
    task = config.data_facts()["task"] if config else ""
    found = figures(run.results, task) if run.results else []
    results = "; ".join(f"{one.title}: {one.value}" for one in found) or run.error or "–"
    return [str(differences(config)), results]


def _text(run: Run) -> str:
    config = RunConfig.from_stored(run.config)
    return config.to_json(2) if config else str(run.config)
