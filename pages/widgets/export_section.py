"""Exports of a selected run: one download for each format, written when it is clicked, and the script to read and copy."""

from __future__ import annotations

from functools import partial

import streamlit as st

from pages.widgets.history import config_of
from trainer.engine import checkpoint
from trainer.export.formats import FORMATS, ExportError, Format
from trainer.formatting import format_bytes
from trainer.settings import get_settings
from trainer.store import Run, Store

COLUMNS = 3
MAX_BYTES = 256_000_000  # of a run's files; the server holds what it sends in memory


def export_section(store: Store, run: Run) -> None:
    """Draws the section."""
    with st.expander("Export", icon=":material/download:", key=f"export-{run.id}"):
        formats = list(FORMATS.values())
        for start in range(0, len(formats), COLUMNS):
            for column, one in zip(st.columns(COLUMNS), formats[start : start + COLUMNS], strict=False):
                with column:
                    _download(store, run, one)
        if st.toggle("Show the script", key=f"show-script-{run.id}", help="Read it here, or copy it."):
            _show_script(store, run)


def _download(store: Store, run: Run, one: Format) -> None:
    obstacle = _obstacle(store, run, one)
    st.download_button(
        one.label,
        partial(one.write, store, get_settings(), run),  # called on the click, not whenever the page is drawn
        one.file_name(run),
        one.mime,
        key=f"take-{one.name}-{run.id}",
        disabled=bool(obstacle),
        on_click="ignore",
        width="stretch",
    )
    st.caption(obstacle or one.help)


def _obstacle(store: Store, run: Run, one: Format) -> str:
    """Returns why the run cannot be exported in a format yet; empty when it can."""
    if one.name == "safetensors":
        path = get_settings().run_folder(run.id) / checkpoint.WEIGHTS
        if not path.is_file():
            return "Weights are available once the run is finished, stopped or paused."
        return _too_large(run, one, path.stat().st_size)
    if one.name == "zip" and (obstacle := _too_large(run, one, _size(run))):
        return obstacle
    if one.name in ("short", "script", "zip") and config_of(run) is None:
        return "The run's knobs were set in another version."
    if one.name in ("short", "script"):
        return store.data_refusal(run.config, run.owner)
    if one.name in ("csv", "parquet", "tensorboard") and not run.progress.get("step"):
        return "The run has no points yet."
    return ""


def _size(run: Run) -> int:
    folder = get_settings().run_folder(run.id)
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) if folder.is_dir() else 0


def _too_large(run: Run, one: Format, size: int) -> str:
    if size <= MAX_BYTES:
        return ""
    return (
        f"At {format_bytes(size)}, this is too large for the browser. On the server: "
        f"python -m trainer export {run.id} --format {one.name}"
    )


def _show_script(store: Store, run: Run) -> None:
    try:
        script = FORMATS["short"].write(store, get_settings(), run).decode()
        st.code(script, language="python", height=480)
    except ExportError as error:
        st.text(str(error))
