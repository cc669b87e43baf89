"""Importing a run that was exported elsewhere."""

from __future__ import annotations

import streamlit as st

from pages.widgets.markup import problem
from pages.widgets.page_context import PageContext
from pages.widgets.text import escape_markdown, run_title
from trainer.export.bundle import BundleError
from trainer.export.sandboxed_import import receive
from trainer.settings import get_settings

IMPORTED, REFUSED, SERIAL = "imported-run", "import-refused", "import-serial"


def import_run(context: PageContext) -> None:
    """Draws the uploader, and selects the run that it imports."""
    if (imported := st.session_state.get(IMPORTED)) is not None:
        title = run_title(context.store.run(imported))
        st.query_params["run"] = str(imported)
        st.toast(
            f"{escape_markdown(title)} imported, with its curves and notes.", icon=":material/download_done:"
        )
        del st.session_state[IMPORTED]
    with st.expander("Import a run", icon=":material/upload:"):
        serial = st.session_state.setdefault(SERIAL, 0)
        file = st.file_uploader(
            "A run's zip",
            type="zip",
            key=f"import-file-{serial}",
            help="Made elsewhere with Export, Everything. It is checked before anything is kept.",
        )
        if sentence := st.session_state.get(REFUSED):
            st.html(problem(sentence))
        if file is None:
            return
        # Under a new key the field is empty: a click that ends this script meanwhile does not import the file again.
        st.session_state[SERIAL], st.session_state[REFUSED] = serial + 1, ""
        with st.spinner("Checking and importing…"):
            try:
                st.session_state[IMPORTED] = receive(get_settings(), file, context.owner)
            except BundleError as error:
                st.session_state[REFUSED] = str(error)
    st.rerun()
