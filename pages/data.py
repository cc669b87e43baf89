"""The page of a person's own data: add a file, see what is in it, choose what to predict, train on it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.server.uploads import Job, begin, dismiss, job_of
from pages.widgets.images_view import images_view
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import telling
from pages.widgets.table_view import table_view
from pages.widgets.text import escape_html, escape_markdown, shorten
from trainer.data.images import MAX_BYTES as MAX_ARCHIVE_BYTES
from trainer.data.images import MAX_IMAGES
from trainer.data.tables import MAX_BYTES as MAX_TABLE_BYTES
from trainer.data.tables import MAX_COLUMNS, MAX_ROWS
from trainer.data.uploads import find_manifest, remove_upload
from trainer.settings import get_settings
from trainer.store import COMMAND_LINE, Store, Upload

INTERVAL = 0.4  # seconds between two looks at a file on its way in
CHOSEN, SERIAL = "data-upload", "data-serial"
MEGABYTE = 1_000_000


def page(context: PageContext) -> None:
    """Draw the page."""
    st.html(
        '<h1 class="tp-page">Your data</h1><p class="tp-quiet">Train on a table or on images of your own. They stay on this '
        "machine; a run names its file by a digest of the content, so that it can be repeated.</p>"
    )
    _add(context)
    uploads = context.store.uploads((context.owner, COMMAND_LINE))
    if not uploads:
        _none_yet()
        return
    upload = _choose(context, uploads)
    manifest = find_manifest(upload.digest)
    if manifest is None:
        st.error(
            "The content of this file is not on this machine any more. Add the very same file again.",
            icon=":material/cloud_off:",
        )
    elif manifest["kind"] == "table":
        table_view(context, upload, manifest)
    else:
        images_view(context, upload, manifest)


def _add(context: PageContext) -> None:
    """The place to drop a file, or how far the current one is."""
    job = job_of(context.owner)
    if job is not None and not job.ended.is_set():
        st.fragment(_progress, run_every=INTERVAL)(job)
        return
    if job is not None:
        _outcome(context, job)
    serial = st.session_state.setdefault(SERIAL, 0)
    file = st.file_uploader(
        "Add a table (CSV) or images (zip)",
        type=["csv", "tsv", "txt", "zip"],
        key=f"data-file-{serial}",
        max_upload_size=MAX_ARCHIVE_BYTES // MEGABYTE,
        help="A CSV has one row for each sample and names in its first row. A zip has one folder of images for each class.",
    )
    st.html(
        f'<p class="tp-quiet">At most: a CSV of {MAX_TABLE_BYTES // MEGABYTE} MB, {MAX_ROWS:,} rows and '
        f"{MAX_COLUMNS} columns, or a zip of {MAX_ARCHIVE_BYTES // MEGABYTE} MB and {MAX_IMAGES:,} images; "
        f"{get_settings().upload_quota_mb} MB for all your files together.</p>"
    )
    if file is not None:
        st.session_state[SERIAL] = (
            serial + 1
        )  # an empty field comes in its place, and its copy of the bytes goes
        begin(context.store, context.owner, shorten(file.name, 120), file, file.size)
        st.rerun()


def _progress(job: Job) -> None:
    """Redraws itself while the file is checked, and the page once it is over."""
    if job.ended.is_set():
        st.rerun(scope="app")
    with st.container(border=True, key="data-progress"):
        st.html(f'<p class="tp-waiting" role="status"><i></i>{escape_html(shorten(job.name, 60))}</p>')
        st.progress(job.share, f"{job.words}…")
        st.button("Cancel", key="data-cancel", icon=":material/close:", on_click=job.cancel.set)


def _outcome(context: PageContext, job: Job) -> None:
    """How the last file ended: a sentence that stays until it is dismissed, or the file itself."""
    if job.digest:
        st.session_state[CHOSEN] = job.digest
        dismiss(context.owner)
        st.toast(f"{escape_markdown(shorten(job.name, 60))} is here.", icon=":material/task_alt:")
        return
    with st.container(key="data-problem", horizontal=True, vertical_alignment="center"):
        st.error(
            f"{escape_markdown(shorten(job.name, 60))} was not taken in. {escape_markdown(job.problem)}",
            icon=":material/block:",
        )
        st.button("Dismiss", key="data-dismiss", type="tertiary", on_click=dismiss, args=(context.owner,))


def _none_yet() -> None:
    st.html(
        '<div class="tp-empty"><h2>No files yet</h2><p>A table: one row for each sample, one column to predict, such as '
        "<code>size,rooms,price</code>. Images: a zip with a folder for each class, such as <code>cats/1.jpg</code> and "
        "<code>dogs/1.jpg</code>.</p></div>"
    )


def _choose(context: PageContext, uploads: Sequence[Upload]) -> Upload:
    """Which of the visitor's files the rest of the page is about."""
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
            disabled=upload.owner != context.owner,
            help="Added on the command line; it is for everybody." if upload.owner != context.owner else None,
        ):
            _confirm_delete(context.store, upload)
    return upload


def _label(upload: Upload) -> str:
    """One line that tells a file from the others."""
    manifest = find_manifest(upload.digest) or {}
    what = f"{manifest['rows']:,} rows × {len(manifest['columns'])} columns" if "rows" in manifest else ""
    what = f"{manifest['images']:,} images" if "images" in manifest else what
    parts = (shorten(upload.name, 60), what, _size(upload.bytes), upload.digest[:6])
    return " · ".join(part for part in parts if part)


def _size(count: int) -> str:
    return f"{count / MEGABYTE:.1f} MB" if count >= MEGABYTE / 10 else f"{max(1, count // 1000)} kB"


@st.dialog("Delete this file?")
def _confirm_delete(store: Store, upload: Upload) -> None:
    used = store.runs_using(upload.digest, upload.owner)
    st.markdown(f"**{escape_markdown(shorten(upload.name, 60))}** leaves your list.")
    if used:
        listed = ", ".join(map(str, used[:5])) + (" and more" if len(used) > 5 else "")
        st.warning(
            f"Run{'s' * (len(used) > 1)} {listed} trained on it and could not be repeated without it. Delete them first on "
            "the Runs page.",
            icon=":material/info:",
        )
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep it"):
            st.rerun()
        if st.button(
            "Delete for good",
            type="primary",
            key="data-delete-confirm",
            disabled=bool(used),
            on_click=_delete,
            args=(store, upload),
        ):
            st.rerun()


@telling()
def _delete(store: Store, upload: Upload) -> None:
    if store.remove_upload(upload.owner, upload.digest):
        remove_upload(upload.digest)
    st.session_state.pop(CHOSEN, None)
