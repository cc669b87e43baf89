"""Exports: of a selected run a download for each format and the script to read and copy, of several one zip."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import IO

import streamlit as st

from pages.widgets.history import config_of
from trainer.engine import checkpoint
from trainer.export.formats import FORMATS, ExportError, Format, no_exact_script, no_short_script
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


def export_zip(
    label: str,
    runs: Sequence[Run],
    write: Callable[[IO[bytes]], None],
    file_name: str,
    *,
    key: str,
    help: str,
    command: str,
) -> None:
    """Draws a download of several runs as one zip, written when it is clicked. `command` is what exports them where they are
    too large for the browser."""
    obstacle = _too_large(_size(*runs), command)
    st.download_button(
        label,
        partial(_written, write),
        file_name,
        "application/zip",
        key=key,
        icon=":material/folder_zip:",
        disabled=bool(obstacle) or not runs,
        on_click="ignore",
        help=obstacle or help,
    )


def _written(write: Callable[[IO[bytes]], None]) -> bytes:
    out = io.BytesIO()
    write(out)
    return out.getvalue()


def _obstacle(store: Store, run: Run, one: Format) -> str:
    """Returns why the run cannot be exported in a format yet; empty when it can."""
    if one.name == "safetensors":
        path = get_settings().run_folder(run.id) / checkpoint.WEIGHTS
        if not path.is_file():
            return "Weights are available once the run is finished, stopped or paused."
        return _too_large(path.stat().st_size, f"export {run.id} --format {one.name}")
    if one.name == "zip" and (obstacle := _too_large(_size(run), f"export {run.id} --format {one.name}")):
        return obstacle
    if one.name in ("short", "script", "zip") and config_of(run) is None:
        return "The run's knobs were set in another version."
    if one.name in ("short", "script"):
        obstacle = no_short_script(run) if one.name == "short" else no_exact_script(run)
        return obstacle or store.data_refusal(run.config, run.space)
    if one.name in ("csv", "parquet", "tensorboard") and not run.progress.get("step"):
        return "The run has no points yet."
    return ""


def _size(*runs: Run) -> int:
    settings = get_settings()
    folders = [folder for run in runs if (folder := settings.run_folder(run.id)).is_dir()]
    return sum(path.stat().st_size for folder in folders for path in folder.iterdir() if path.is_file())


def _too_large(size: int, command: str) -> str:
    if size <= MAX_BYTES:
        return ""
    return f"At {format_bytes(size)}, this is too large for the browser. On the server: python -m trainer {command}"


def _show_script(store: Store, run: Run) -> None:
    try:
        name = "script" if no_short_script(run) else "short"
        script = FORMATS[name].write(store, get_settings(), run).decode()
        st.code(script, language="python", height=480)
    except ExportError as error:
        st.text(str(error))
