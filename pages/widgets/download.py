"""Downloading a data set that is missing: what it is, how large, how far it is, and why it failed."""

from __future__ import annotations

import streamlit as st

from pages.widgets.markup import problem
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from pages.widgets.text import escape_html, escape_markdown
from trainer.data import missing_files
from trainer.data.own import data_problem
from trainer.engine.augment import missing_requirements
from trainer.formatting import format_bytes
from trainer.lifecycle.states import JobState
from trainer.registry import Technique
from trainer.settings import get_settings
from trainer.store import Download, Store

INTERVAL = 0.5  # seconds between two polls of a download


def data_is_ready(context: PageContext) -> bool:
    """Whether the chosen data set can be read and augmented; where it cannot, draws how to get what is missing."""
    store, config, folder = context.store, context.knobs.config, get_settings().data
    if config is None:
        return True
    if sentences := missing_requirements(config, folder):
        for sentence in sentences:
            st.info(with_command(sentence), icon=":material/deployed_code_alert:")
        return False
    # The refusal first: what is wrong with a file may tell what is in it.
    if obstacle := store.data_refusal(config.to_dict(), context.space) or data_problem(
        config.data.name, config.data.knobs
    ):
        _upload_problem(obstacle, context.data_page)
        return False
    if not missing_files(config.data.name, folder):
        return True
    technique = config.technique("data")
    active = _is_active(store.download_of(technique.name))
    st.fragment(_panel, run_every=INTERVAL if active else None)(store, technique, active)
    return False


def with_command(sentence: str) -> str:
    """Returns Markdown in which the command after "with:" is a block of its own, ready to be copied."""
    text, _, command = sentence.partition("with: ")
    return f"{escape_markdown(text)} with:\n```bash\n{command.replace('`', '')}\n```"


def _upload_problem(obstacle: str, data_page: st.Page) -> None:
    """Draws why a run cannot use the visitor's upload, and the way to fix it."""
    with st.container(border=True, key="own-data"):
        st.html(f"<p>{escape_html(obstacle)}</p>")
        st.page_link(data_page, label="Go to Your data", icon=":material/upload_file:")


def _is_active(download: Download | None) -> bool:
    return download is not None and not download.is_over


def _panel(store: Store, technique: Technique, polled: bool) -> None:
    """Redraws itself while the download runs, and the page once it starts or ends."""
    download = store.download_of(technique.name)
    finished = download is not None and download.status is JobState.FINISHED
    if finished and not missing_files(technique.name, get_settings().data):
        st.rerun(scope="app")
    if _is_active(download) != polled:
        st.rerun(scope="app")  # the polling interval is set where the page is drawn
    with st.container(border=True, key="download"):
        size = technique.facts["megabytes"]
        st.markdown(f"**{technique.label} is not on this machine yet.** {escape_markdown(technique.help)}")
        if download is not None and _is_active(download):
            _progress(download, size)
            return
        failed = download is not None and download.status is JobState.FAILED
        if download is not None and failed:
            st.html(problem(download.message))
        st.button(
            f"{'Try again' if failed else 'Download'} ({size} MB)",
            key="download-start",
            icon=":material/download:",
            type="primary",
            on_click=_request,
            args=(store, technique.name),
        )


@reporting_errors()
def _request(store: Store, name: str) -> None:
    store.request_download(name)


def _progress(download: Download, megabytes: int) -> None:
    total = download.total_bytes or megabytes * 1_000_000
    if download.status is JobState.QUEUED:
        st.progress(0.0, "Waiting for the trainer to begin…")
    else:
        share = min(1.0, download.done_bytes / total)
        st.progress(share, f"{format_bytes(download.done_bytes)} of {format_bytes(total)}")
