"""The page of a visitor's own data: upload a file, see what is in it, choose what to predict, train on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from pages.server.uploads import PendingUpload, dismiss_upload, pending_upload, start_upload
from pages.widgets.images_view import images_view
from pages.widgets.markup import information, problem, waiting
from pages.widgets.page_context import PageContext
from pages.widgets.page_parts import empty_state, heading, keep_or_delete
from pages.widgets.run_polling import reporting_errors
from pages.widgets.space_limits import space_left
from pages.widgets.table_view import table_view
from pages.widgets.text import escape_html, escape_markdown, run_title, shorten
from trainer.data.images import MAX_BYTES as MAX_ARCHIVE_BYTES
from trainer.data.images import MAX_IMAGES
from trainer.data.tables import MAX_BYTES as MAX_TABLE_BYTES
from trainer.data.tables import MAX_COLUMNS, MAX_ROWS
from trainer.data.uploads import find_manifest, remove_upload
from trainer.formatting import format_bytes
from trainer.settings import get_settings
from trainer.spaces import COMMAND_LINE
from trainer.spaces.limits import ANY_FILE
from trainer.store import Store, Upload

REDRAW_INTERVAL = 0.4  # seconds, while a file is uploaded
CHOSEN, FIELD = "data-upload", "data-field"
MEGABYTE = 1_000_000


@dataclass
class _Field:
    """The uploader. Under a new key it is empty, and Streamlit drops its copy of the bytes.

    An object, because Streamlit may stop the script at any access to the session: a file whose field was emptied there, and
    whose upload had not started, would be lost.
    """

    serial: int = 0


def page(context: PageContext) -> None:
    """Draws the page."""
    heading(
        "Your data",
        "Train on a table or on images of your own. They stay on this machine. A run names its file by a digest of the content, "
        "so that it can be repeated.",
    )
    _draw_upload(context)
    uploads = context.store.uploads((context.space, COMMAND_LINE))
    if not uploads:
        empty_state(
            "No files yet",
            "A table: one row for each sample, one column to predict, such as <code>size,rooms,price</code>. Images: a zip "
            "with a folder for each class, such as <code>cats/1.jpg</code> and <code>dogs/1.jpg</code>.",
        )
        return
    upload = _choose(context, uploads)
    manifest = find_manifest(upload.digest)
    if manifest is None:
        st.html(problem("This file's content is no longer on this machine. Upload the same file again."))
    elif manifest["kind"] == "table":
        table_view(context, upload, manifest)
    else:
        images_view(context, upload, manifest)


def _draw_upload(context: PageContext) -> None:
    """Draws the progress of the upload under way, or else the place to drop a file."""
    upload = pending_upload(context.owner)
    if upload is not None and not upload.ended.is_set():
        st.fragment(_draw_progress, run_every=REDRAW_INTERVAL)(upload)
        return
    with st.container():  # even if empty, so that the field below keeps its place
        if upload is not None:
            _draw_outcome(context, upload)
    field = st.session_state.setdefault(FIELD, _Field())
    file = st.file_uploader(
        "Upload a table (CSV) or images (zip)",
        type=["csv", "tsv", "txt", "zip"],
        key=f"data-file-{field.serial}",
        max_upload_size=MAX_ARCHIVE_BYTES // MEGABYTE,
        help="A CSV has one row for each sample, and column names in its first row. A zip has a folder of images for each class.",
    )
    st.html(
        f'<p class="tp-quiet">At most: a CSV of {format_bytes(MAX_TABLE_BYTES)}, {MAX_ROWS:,} rows and '
        f"{MAX_COLUMNS} columns, or a zip of {format_bytes(MAX_ARCHIVE_BYTES)} and {MAX_IMAGES:,} images; "
        f"{format_bytes(get_settings().upload_quota_mb * MEGABYTE)} for all your files together.</p>"
    )
    space_left(context, ANY_FILE)
    if file is not None:
        started = start_upload(context.store, context.owner, shorten(file.name, 120), file, file.size)
        field.serial += 1
        if started:
            st.rerun()
        waits = (
            f"Another file of yours is being checked. Add {shorten(file.name, 60)} again when that is done."
        )
        st.html(information(waits))


def _draw_progress(upload: PendingUpload) -> None:
    """Redraws itself while the file is checked, and the page once it has ended."""
    if upload.ended.is_set():
        st.rerun(scope="app")
    with st.container(border=True, key="data-progress"):
        st.html(waiting(shorten(upload.name, 60)))
        st.progress(upload.fraction, f"{upload.activity}…")
        st.button("Cancel", key="data-cancel", icon=":material/close:", on_click=upload.cancel.set)


def _draw_outcome(context: PageContext, upload: PendingUpload) -> None:
    """Chooses the uploaded file, or draws why it could not be uploaded until that is dismissed."""
    name = shorten(upload.name, 60)
    if upload.digest:
        st.session_state[CHOSEN] = upload.digest
        contents = _contents(find_manifest(upload.digest) or {})
        st.toast(escape_markdown(f"{name} uploaded: {contents}."), icon=":material/task_alt:")
        dismiss_upload(context.owner, upload)  # last: the script may be stopped at any line above
        return
    with st.container(key="data-problem", horizontal=True, vertical_alignment="center"):
        st.html(problem(f"{name} could not be uploaded. {upload.problem}"))
        st.button(
            "Dismiss",
            key="data-dismiss",
            type="tertiary",
            on_click=dismiss_upload,
            args=(context.owner, upload),
        )


def _choose(context: PageContext, uploads: Sequence[Upload]) -> Upload:
    """Draws the list of files, and Delete; returns the file that is chosen."""
    by_digest = {upload.digest: upload for upload in uploads}
    if st.session_state.get(CHOSEN) not in by_digest:
        config = context.knobs.config
        current = config.data.knobs.get("file") if config else None
        st.session_state[CHOSEN] = current if current in by_digest else uploads[0].digest
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="data-choice"):
        digest = st.selectbox(
            "File",
            list(by_digest),
            format_func=lambda digest: _label(by_digest[digest]) if digest in by_digest else digest,
            key=CHOSEN,
            help="Your files, newest first.",
            filter_mode=None,
        )
        upload = by_digest[digest]
        if st.button(
            "Delete",
            key="data-delete",
            icon=":material/delete:",
            disabled=(may_not := context.refusal(upload, "file")) is not None,
            help=may_not,
        ):
            _confirm_delete(context.store, upload, context.owner)
    return upload


def _label(upload: Upload) -> str:
    """Returns one line that distinguishes a file from the others."""
    contents = _contents(find_manifest(upload.digest) or {})
    parts = (shorten(upload.name, 60), contents, format_bytes(upload.bytes), upload.digest[:6])
    return " · ".join(part for part in parts if part)


def _contents(manifest: Mapping[str, Any]) -> str:
    if "images" in manifest:
        return f"{manifest['images']:,} images"
    return f"{manifest['rows']:,} rows × {len(manifest['columns'])} columns" if "rows" in manifest else ""


@st.dialog("Delete this file?")
def _confirm_delete(store: Store, upload: Upload, owner: str) -> None:
    used = store.runs_using(upload.digest, upload.space)
    st.html(
        f"<p><strong>{escape_html(shorten(upload.name, 60))}</strong> will be removed from your list.</p>"
    )
    if used:
        listed = ", ".join(run_title(store.run(run_id)) for run_id in used[:5])
        listed = escape_markdown(listed) + (" and more" if len(used) > 5 else "")
        st.warning(
            f"{listed} trained on it and cannot be repeated without it. Delete "
            f"{'those runs' if len(used) > 1 else 'that run'} first, on the Runs page.",
            icon=":material/info:",
        )
    keep_or_delete(partial(_delete, store, upload, owner), key="data-delete-confirm", possible=not used)


@reporting_errors()
def _delete(store: Store, upload: Upload, owner: str) -> None:
    if store.remove_upload(upload.digest, by=owner):
        remove_upload(upload.digest)
    st.session_state.pop(CHOSEN, None)
