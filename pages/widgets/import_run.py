"""Importing a run that was exported elsewhere."""

from __future__ import annotations

import streamlit as st

from pages.widgets.markup import problem
from pages.widgets.page_context import PageContext
from pages.widgets.text import escape_markdown, run_title
from trainer.export.bundle import BundleError
from trainer.export.sandboxed_import import receive
from trainer.settings import get_settings

IMPORTED, SERIAL = "imported-run", "import-serial"


def import_run(context: PageContext) -> None:
    """Draws the uploader, and selects the run that it imports."""
    if (imported := st.session_state.pop(IMPORTED, None)) is not None:
        title = run_title(context.store.run(imported))
        st.toast(
            f"{escape_markdown(title)} imported, with its curves and notes.", icon=":material/download_done:"
        )
    with st.expander("Import a run", icon=":material/upload:"):
        serial = st.session_state.setdefault(SERIAL, 0)
        file = st.file_uploader(
            "A run's zip",
            type="zip",
            key=f"import-file-{serial}",
            help="Made elsewhere with Export, Everything. It is checked before anything is kept.",
        )
        if file is None:
            return
        try:
            with st.spinner("Checking and importing…"):
                run_id = receive(get_settings(), file, context.owner)
        except BundleError as error:
            st.html(problem(str(error)))
            return
    st.session_state[IMPORTED], st.session_state[SERIAL] = run_id, serial + 1
    st.query_params["run"] = str(run_id)
    st.rerun()
