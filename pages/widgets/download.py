"""Fetching a data set that is not there yet: what it is, how large, how far, and why it failed."""

from __future__ import annotations

import streamlit as st

from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import telling
from pages.widgets.text import escape_html, escape_markdown
from trainer.data import missing_files
from trainer.data.own import data_problem
from trainer.engine.augment import lacking
from trainer.lifecycle.states import JobState
from trainer.registry import Technique
from trainer.settings import get_settings
from trainer.store import Download, Store


def data_is_ready(context: PageContext) -> bool:
    """Whether the chosen data set can be read and augmented; where it cannot, draw what fetches it."""
    store, config = context.store, context.knobs.config
    if config is not None and (sentences := lacking(config, get_settings().data)):
        for sentence in sentences:
            st.info(command_box(sentence), icon=":material/deployed_code_alert:")
        return False
    if config is not None and (problem := data_problem(config.data.name, config.data.knobs)):
        _own_data(problem, context.data_page)
        return False
    if config is None or not missing_files(config.data.name, get_settings().data):
        return True
    technique = config.technique("data")
    job = store.download_of(technique.name)
    active = job is not None and not job.is_over
    st.fragment(_panel, run_every=0.5 if active else None)(store, technique, active)
    return False


def _own_data(problem: str, data_page: st.Page) -> None:
    """What keeps a run from a file of the visitor's own, and the way to mend it."""
    with st.container(border=True, key="own-data"):
        st.html(f"<p>{escape_html(problem)}</p>")
        st.page_link(data_page, label="Go to Your data", icon=":material/upload_file:")


def command_box(sentence: str) -> str:
    """Markdown: the command after the colon stands by itself, ready to be copied."""
    words, _, command = sentence.partition("with: ")
    return f"{escape_markdown(words)} with:\n```bash\n{command.replace('`', '')}\n```"


def _panel(store: Store, technique: Technique, watched: bool) -> None:
    """Redraws itself while the download goes on, and the page once it is done."""
    job = store.download_of(technique.name)
    if (
        job is not None
        and job.status is JobState.FINISHED
        and not missing_files(technique.name, get_settings().data)
    ):
        st.rerun(scope="app")
    if (job is not None and not job.is_over) != watched:
        st.rerun(scope="app")  # how often this redraws itself is decided where the page is drawn
    with st.container(border=True, key="download"):
        size = technique.facts["megabytes"]
        st.markdown(f"**{technique.label} is not on this machine yet.** {escape_markdown(technique.help)}")
        if job is not None and not job.is_over:
            _progress(job, size)
            return
        if job is not None and job.status is JobState.FAILED:
            st.error(escape_markdown(job.message), icon=":material/cloud_off:")
        st.button(
            f"{'Try again' if job and job.status == 'failed' else 'Download'} ({size} MB)",
            key="download-start",
            icon=":material/download:",
            type="primary",
            on_click=telling()(store.request_download),
            args=(technique.name,),
        )


def _progress(job: Download, megabytes: int) -> None:
    total = job.total_bytes or megabytes * 1_000_000
    share = min(1.0, job.done_bytes / total)
    if job.status is JobState.QUEUED:
        st.progress(0.0, "Waiting for the trainer to begin…")
    else:
        st.progress(share, f"{job.done_bytes / 1e6:.0f} of {total / 1e6:.0f} MB")
