"""The table of runs: sortable by any column, with one row selected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.widgets.history import config_of, seconds_of, task_of
from pages.widgets.text import run_title
from trainer.describe.labels import Differences
from trainer.lazy import lazy
from trainer.store import COMMAND_LINE, Run

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

ROW_HEIGHT, MAX_ROWS = 36, 14  # pixels; rows before the table scrolls


def matching(runs: Sequence[Run], differs: dict[int, Differences], text: str) -> list[Run]:
    """Returns the runs that contain every word of `text` in name, notes, tags, state, number or differences."""
    words = text.casefold().split()
    if not words:
        return list(runs)
    return [run for run in runs if all(word in _searchable(run, differs[run.id]) for word in words)]


def run_table(
    runs: Sequence[Run],
    differs: dict[int, Differences],
    selected: Sequence[int],
    reference: str,
    names: Mapping[str, str],
    *,
    several: bool = False,
) -> list[int]:
    """Draws the table and returns the ids of the selected runs: one at most, unless `several` may be selected. `reference` is
    what runs are described against, and `names` those of the people who may have started them."""
    if not runs:
        return []
    ids = [run.id for run in runs]
    rows = [ids.index(one) for one in selected if one in ids]
    event: Any = st.dataframe(
        table(runs, differs, names),
        key=f"runs-table-{hash((tuple(ids), several or tuple(selected)))}",
        hide_index=True,
        height=min(len(runs), MAX_ROWS) * ROW_HEIGHT + ROW_HEIGHT + 3,
        row_height=ROW_HEIGHT,
        column_config=_columns(reference),
        on_select="rerun",
        selection_mode="multi-row" if several else "single-row",
        selection_default={"selection": {"rows": rows, "columns": []}},
        placeholder="–",
        alt="Runs: " + ", ".join(run_title(run) for run in runs[:20]),
    )
    return [ids[row] for row in event.selection.rows if row < len(ids)]


def table(runs: Sequence[Run], differs: dict[int, Differences], names: Mapping[str, str]) -> pd.DataFrame:
    """Returns the rows, without columns in which no run has a value. `names` are those of the space's members."""
    frame = pd.DataFrame([_row(run, differs[run.id], names) for run in runs])
    frame["Created"] = pd.to_datetime(frame["Created"], utc=True).dt.tz_convert(_timezone())
    return frame.drop(
        columns=[name for name in ("By", "Tags", "Accuracy", "Error") if frame[name].isna().all()]
    )


def _row(run: Run, differs: Differences, names: Mapping[str, str]) -> dict[str, Any]:
    best = (run.results or {}).get("best") or {}
    value = best.get("val_metric")
    accuracy = task_of(config_of(run)) == "classification"
    return {
        "Run": None if run.owner == COMMAND_LINE else run.number,
        "Name": run_title(run) if run.owner == COMMAND_LINE else run.name.strip(),
        "By": names.get(run.owner),
        "State": run.status.label,
        "Differs": str(differs),
        "Tags": list(run.tags) or None,
        "Best epoch": best.get("epoch"),
        "Validation loss": best.get("val_loss"),
        "Accuracy": None if value is None or not accuracy else 100 * value,
        "Error": None if accuracy else value,
        "Seconds": seconds_of(run) if run.is_over else None,
        "Created": run.created,
    }


def _columns(reference: str) -> dict[str, Any]:
    column = st.column_config
    return {
        "Run": column.NumberColumn("Run", format="%d", width=60),
        "Name": column.TextColumn("Name", width=120),
        "By": column.TextColumn("By", width=100, help="Who started it."),
        "State": column.TextColumn("State", width=80),
        "Differs": column.TextColumn(f"Differs from {reference}", width=255),
        "Tags": column.ListColumn("Tags", width=120),
        "Best epoch": column.NumberColumn(
            "Best epoch", format="%d", width=85, help="The epoch with the lowest validation loss."
        ),
        "Validation loss": column.NumberColumn(
            "Val. loss then", format="%.4f", width=105, help="Measured with the weights of the best epoch."
        ),
        "Accuracy": column.NumberColumn(
            "Val. accuracy then",
            format="%.1f%%",
            width=120,
            help="Measured with the weights of the best epoch.",
        ),
        "Error": column.NumberColumn(
            "Val. error then",
            format="%.3f",
            width=110,
            help="Mean absolute error, measured with the weights of the best epoch.",
        ),
        "Seconds": column.NumberColumn("Trained", format="%.1f s", width=70),
        "Created": column.DatetimeColumn("Created", format="D MMM, HH:mm", width=115),
    }


def _searchable(run: Run, differs: Differences) -> str:
    state = (run.status, run.status.label)
    words = [run_title(run), run.name, run.notes, *run.tags, *state, *differs.words]
    return " ".join(words).casefold()


def _timezone() -> str:
    """Returns the browser's time zone, or UTC where this machine does not know it."""
    zone = st.context.timezone or "UTC"
    try:
        pd.Timestamp.now(tz=zone)
    except Exception:  # whatever pandas raises for an unknown name
        return "UTC"
    return zone
