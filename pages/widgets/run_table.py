"""The table of runs: sortable by any column, one row to be selected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages.widgets.history import config_of, task_of
from pages.widgets.text import elapsed, run_title
from trainer.config import Change
from trainer.store import Run

ROW, TALLEST = 36, 14  # pixels of a row; rows before the table scrolls


def matching(runs: Sequence[Run], changes: dict[int, list[Change]], text: str) -> list[Run]:
    """The runs that contain every word of `text`, in name, notes, state, number or changed knobs."""
    words = text.casefold().split()
    if not words:
        return list(runs)
    return [run for run in runs if all(word in _searchable(run, changes[run.id]) for word in words)]


def run_table(runs: Sequence[Run], changes: dict[int, list[Change]], selected: int | None) -> int | None:
    """Draw the table, return the id of the selected run."""
    if not runs:
        return selected
    ids = [run.id for run in runs]
    rows = [ids.index(selected)] if selected in ids else []
    event: Any = st.dataframe(
        table(runs, changes),
        key=f"runs-table-{hash((tuple(ids), selected))}",
        hide_index=True,
        height=min(len(runs), TALLEST) * ROW + ROW + 3,
        row_height=ROW,
        column_config=_columns(),
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": rows, "columns": []}},
        placeholder="–",
        alt="Runs: " + ", ".join(run_title(run) for run in runs[:20]),
    )
    chosen = event.selection.rows
    return ids[chosen[0]] if chosen and chosen[0] < len(ids) else None


def table(runs: Sequence[Run], changes: dict[int, list[Change]]) -> pd.DataFrame:
    """The rows. Columns that no run has a value for are left out."""
    frame = pd.DataFrame([_row(run, changes[run.id]) for run in runs])
    frame["Created"] = pd.to_datetime(frame["Created"], utc=True).dt.tz_convert(_timezone())
    return frame.drop(columns=[name for name in ("Accuracy", "Error") if frame[name].isna().all()])


def _row(run: Run, changes: Sequence[Change]) -> dict[str, Any]:
    best = (run.results or {}).get("best") or {}
    value = best.get("val_metric")
    accuracy = task_of(config_of(run)) == "classification"
    return {
        "Run": run.id,
        "Name": run.name.strip(),
        "State": run.status.label,
        "Changed": ", ".join(str(change) for change in changes) or "–",
        "Validation loss": best.get("val_loss"),
        "Accuracy": None if value is None or not accuracy else 100 * value,
        "Error": None if accuracy else value,
        "Seconds": elapsed(run) if run.is_over else None,
        "Created": run.created,
    }


def _columns() -> dict[str, Any]:
    column = st.column_config
    return {
        "Run": column.NumberColumn("Run", format="%d", width=60),
        "Name": column.TextColumn("Name", width=150),
        "State": column.TextColumn("State", width=80),
        "Changed": column.TextColumn("Changed against the run before", width=290),
        "Validation loss": column.NumberColumn(
            "Best val. loss", format="%.4f", width=105, help="The lowest validation loss of any epoch."
        ),
        "Accuracy": column.NumberColumn(
            "Accuracy", format="%.1f %%", width=80, help="On validation, at that epoch."
        ),
        "Error": column.NumberColumn(
            "Error", format="%.3f", width=80, help="Mean absolute, on validation, at that epoch."
        ),
        "Seconds": column.NumberColumn("Trained", format="%.1f s", width=80),
        "Created": column.DatetimeColumn("Created", format="D MMM, HH:mm", width=115),
    }


def _searchable(run: Run, changes: Sequence[Change]) -> str:
    words = [run_title(run), run.name, run.notes, run.status, *(str(change) for change in changes)]
    return " ".join(words).casefold()


def _timezone() -> str:
    """The visitor's time zone, where the browser says one that exists here."""
    zone = st.context.timezone or "UTC"
    try:
        pd.Timestamp.now(tz=zone)
    except Exception:  # a name that this machine's database does not have: whatever pandas raises for it
        return "UTC"
    return zone
