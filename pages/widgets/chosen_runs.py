"""Several selected runs: their knobs and results side by side, and what can be done with all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from pages.widgets.chart_selection import MAX_RUNS, show_only
from pages.widgets.chosen_curves import chosen_curves
from pages.widgets.export_section import export_zip
from pages.widgets.history import config_of, seconds_of, task_of
from pages.widgets.knob_lines import knob_lines
from pages.widgets.linked_run import MAX_LINKED, link_to
from pages.widgets.markup import quiet
from pages.widgets.page_context import PageContext
from pages.widgets.page_parts import keep_or_delete
from pages.widgets.run_polling import reporting_errors
from pages.widgets.tags import run_tags
from pages.widgets.text import run_title
from trainer.config import RunConfig
from trainer.describe.figures import part_of
from trainer.describe.run_set import differing_knobs, knob_columns
from trainer.export.collection import write_runs
from trainer.lazy import lazy
from trainer.lifecycle.states import RunState
from trainer.settings import get_settings
from trainer.store import Run, Store
from trainer.store.removal import delete_with_files

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

MAX_KNOBS: Final = 12
"""Columns of knobs, at most: more cannot be read side by side."""


def chosen_runs(context: PageContext, runs: Sequence[Run]) -> None:
    """Draws the panel for two runs or more."""
    own = [run for run in runs if context.refusal(run) is None]
    with st.container(border=True, key="chosen-runs"):
        st.html(f'<h2 class="tp-title">{len(runs)} runs side by side</h2>')
        _actions(context, runs, own)
        readable = [(run, config) for run in runs if (config := config_of(run)) is not None]
        if len(readable) < len(runs):
            st.html(
                quiet(f"{len(runs) - len(readable)} of them have knobs of another version, and are left out.")
            )
        if len(runs) > MAX_LINKED:
            st.html(quiet(f"The address holds {MAX_LINKED} of them, and so does a bookmark."))
        if len(readable) > 1:
            _side_by_side(context.store, [run for run, _ in readable], [config for _, config in readable])


def _side_by_side(store: Store, runs: Sequence[Run], configs: Sequence[RunConfig]) -> None:
    keys = differing_knobs(configs)
    shown = keys[:MAX_KNOBS]
    if not keys and all(run.follows_its_config for run in runs):
        st.html(quiet("They have the same knobs and seed: they draw the same curve."))
    elif not keys:
        st.html(
            quiet(
                "They began with the same knobs and seed; knobs changed later, or one branched from another."
            )
        )
    elif len(keys) > len(shown):
        st.html(quiet(f"They differ in {len(keys)} knobs; the {len(shown)} that matter most are shown."))
    frame = side_by_side(runs, configs, shown)
    st.dataframe(
        frame,
        key="chosen-table",
        hide_index=True,
        column_config={**_all_digits(frame), **_formats()},
        placeholder="–",
        alt="What differs: " + ", ".join(run_title(run) for run in runs[:20]),
    )
    if changed := sum(run.changes > 0 for run in runs):
        st.html(quiet(f"{changed} changed knobs while training; the table has those that they began with."))
    chosen_curves(store, runs, configs)
    knob_lines(runs, configs, shown)


def side_by_side(runs: Sequence[Run], configs: Sequence[RunConfig], keys: Sequence[str]) -> pd.DataFrame:
    """Returns a row for each run: its title and state, its data set, the knobs in which the runs differ, and its results. The
    figures of two data sets cannot be compared, so the data set always stands beside them."""
    columns: dict[str, list[Any]] = {
        "Run": [run_title(run) for run in runs],
        "State": [run.status.label for run in runs],
        "Data": [config.technique("data").label for config in configs],
    }
    columns |= knob_columns(configs, [key for key in keys if key != "data"])
    results = [run.results or {} for run in runs]
    classifies = [task_of(config) == "classification" for config in configs]
    scores = [part_of(one, "test").get("metric") for one in results]
    columns |= {
        "Best epoch": [part_of(one, "best").get("epoch") for one in results],
        "Val. loss then": [part_of(one, "best").get("val_loss") for one in results],
        "Test loss": [part_of(one, "test").get("loss") for one in results],
        "Test accuracy": _where(classifies, scores, 100.0),
        "Test error": _where([not one for one in classifies], scores),
        "Seconds": [seconds_of(run) if run.is_over else None for run in runs],
        "Steps/s": [one.get("steps_per_second") for one in results],
    }
    frame = pd.DataFrame(columns)
    return frame.drop(columns=[name for name in ("Test accuracy", "Test error") if frame[name].isna().all()])


def _where(kept: Sequence[bool], values: Sequence[Any], scale: float = 1.0) -> list[float | None]:
    return [
        scale * value if keep and isinstance(value, int | float) else None
        for keep, value in zip(kept, values, strict=True)
    ]


def _all_digits(frame: pd.DataFrame) -> dict[str, Any]:
    """All columns of numbers with all their digits: of a small learning rate, the table's own format would leave a zero."""
    return {name: st.column_config.NumberColumn(format="plain") for name in frame.select_dtypes("number")}


def _formats() -> dict[str, Any]:
    loss = st.column_config.NumberColumn(format="%.4f")
    return {
        "Val. loss then": loss,
        "Test loss": loss,
        "Test accuracy": st.column_config.NumberColumn(format="%.1f%%"),
        "Test error": st.column_config.NumberColumn(format="%.3f"),
        "Seconds": st.column_config.NumberColumn("Trained", format="%.1f s"),
        "Steps/s": st.column_config.NumberColumn(format="%.0f"),
    }


def _actions(context: PageContext, runs: Sequence[Run], own: Sequence[Run]) -> None:
    archived = all(run.archived for run in runs)
    with st.container(horizontal=True, gap="small", key="chosen-actions"):
        st.button(
            "Show on chart",
            key="chosen-show",
            icon=":material/show_chart:",
            on_click=_show,
            args=(runs,),
            help=f"Draws these runs, and no others, on the charts of the Train page; the newest {MAX_RUNS} where there are more.",
        )
        st.button(
            "Unarchive" if archived else "Archive",
            key="chosen-archive",
            icon=":material/unarchive:" if archived else ":material/archive:",
            disabled=not own,
            on_click=_archive,
            args=(context, own, not archived),
            help="Shows them in the usual list again."
            if archived
            else "Hides them from the usual list; nothing is lost.",
        )
        readable = [run for run in runs if config_of(run) is not None]
        export_zip(
            "Export",
            readable,
            partial(write_runs, context.store, get_settings(), readable),
            "runs.zip",
            key="chosen-export",
            help="All of them in one file, with knobs, curves, notes and weights, which another installation imports here.",
            command=f"export {' '.join(str(run.id) for run in readable)} --format zip",
        )
        with st.popover("Tags", icon=":material/sell:", disabled=not own):
            run_tags(context, own or runs, f"chosen-tags-{hash(tuple(run.id for run in own))}")
        if st.button(
            "Delete",
            key="chosen-delete",
            icon=":material/delete:",
            disabled=not own,
            help="Deletes them for good, after a question.",
        ):
            _confirm_delete(context, own)
    if len(own) < len(runs):
        others = "They" if not own else f"{len(runs) - len(own)} of them"
        st.html(quiet(f"{others} were started by others, who alone can archive, tag or delete them."))


def _show(runs: Sequence[Run]) -> None:
    newest = sorted(run.id for run in runs)[-MAX_RUNS:]
    show_only(newest)
    st.toast(f"{len(newest)} runs are on the chart of the Train page.", icon=":material/show_chart:")


@reporting_errors()
def _archive(context: PageContext, runs: Sequence[Run], archived: bool) -> None:
    for run in runs:
        context.store.archive(run.id, archived, by=context.owner)


@st.dialog("Delete these runs?")
def _confirm_delete(context: PageContext, runs: Sequence[Run]) -> None:
    over = [run for run in runs if run.status is not RunState.RUNNING]
    st.html(f"<p>{len(over)} runs are deleted for good, with their curves, notes and checkpoints.</p>")
    if len(over) < len(runs):
        st.warning(
            f"{len(runs) - len(over)} are training and are kept. Stop them first.", icon=":material/info:"
        )
    keep_or_delete(
        partial(_delete, context, over), key="confirm-delete-chosen", possible=bool(over), keep="Keep them"
    )


@reporting_errors()
def _delete(context: PageContext, runs: Sequence[Run]) -> None:
    for run in runs:
        delete_with_files(context.store, get_settings(), run.id, by=context.owner)
    link_to()
