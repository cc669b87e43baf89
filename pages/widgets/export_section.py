"""A selected run to take along: one download for each format, made when it is asked for, and the script to read and copy."""

from __future__ import annotations

from functools import partial

import streamlit as st

from pages.widgets.history import config_of
from trainer.engine import checkpoint
from trainer.export.formats import FORMATS, ExportError, Format, run_script
from trainer.settings import get_settings
from trainer.store import Run, Store

IN_A_ROW = 3


def take_away(store: Store, run: Run) -> None:
    """Draw the section."""
    with st.expander("Take it away", icon=":material/download:", key=f"take-away-{run.id}"):
        formats = list(FORMATS.values())
        for start in range(0, len(formats), IN_A_ROW):
            for column, one in zip(st.columns(IN_A_ROW), formats[start : start + IN_A_ROW], strict=False):
                with column:
                    _download(store, run, one)
        if st.toggle("Show the script", key=f"show-script-{run.id}", help="Read it here, or copy it."):
            _show_script(run)


def _download(store: Store, run: Run, one: Format) -> None:
    lacking = _lacking(run, one)
    st.download_button(
        one.label,
        partial(
            one.write, store, get_settings(), run
        ),  # called on the click, not for each drawing of the page
        one.file_name(run),
        one.mime,
        key=f"take-{one.name}-{run.id}",
        disabled=bool(lacking),
        on_click="ignore",
        width="stretch",
    )
    st.caption(lacking or one.help)


def _lacking(run: Run, one: Format) -> str:
    """Why a format cannot be had yet; empty when it can."""
    if one.name == "safetensors":
        path = get_settings().run_folder(run.id) / checkpoint.WEIGHTS
        return "" if path.is_file() else "There are weights once it finishes, or is stopped or paused."
    if one.name in ("script", "zip") and config_of(run) is None:
        return "Its knobs were set in another version of this lab."
    if one.name in ("csv", "parquet", "tensorboard") and not run.progress.get("step"):
        return "Nothing is measured yet."
    return ""


def _show_script(run: Run) -> None:
    try:
        st.code(run_script(run), language="python", height=480)
    except ExportError as error:
        st.text(str(error))
