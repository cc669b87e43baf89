"""Importing runs that were exported elsewhere: one, several, or a comparison with its own."""

from __future__ import annotations

import streamlit as st

from pages.widgets import linked_comparison
from pages.widgets.linked_run import SEVERAL, link_to
from pages.widgets.markup import problem
from pages.widgets.page_context import PageContext
from pages.widgets.space_limits import space_left
from pages.widgets.text import escape_markdown, run_title
from trainer.export.bundle import BundleError
from trainer.export.sandboxed_import import receive
from trainer.settings import get_settings
from trainer.spaces.limits import ANY_FILE
from trainer.store import Imported

IMPORTED, REFUSED, SERIAL = "imported-runs", "import-refused", "import-serial"


def import_runs(context: PageContext) -> None:
    """Draws the uploader; selects the runs that it imports, or opens the comparison."""
    if (imported := st.session_state.get(IMPORTED)) is not None:
        del st.session_state[IMPORTED]
        if imported.comparison is not None:
            address = {linked_comparison.PARAMETER: str(imported.comparison)}
            st.switch_page(context.comparisons_page, query_params=address)
        link_to(*imported.runs)
        if len(imported.runs) > 1:
            st.session_state[SEVERAL] = True
        st.toast(_in_words(context, imported), icon=":material/download_done:")
    with st.expander("Import runs or a comparison", icon=":material/upload:"):
        serial = st.session_state.setdefault(SERIAL, 0)
        file = st.file_uploader(
            "The zip of a run, of several, or of a comparison",
            type="zip",
            key=f"import-file-{serial}",
            help="Made elsewhere with Export. It is checked before anything is kept.",
        )
        space_left(context, ANY_FILE)
        if sentence := st.session_state.get(REFUSED):
            st.html(problem(sentence))
        if file is None:
            return
        # Under a new key the field is empty: a click that ends this script meanwhile does not import the file again.
        st.session_state[SERIAL], st.session_state[REFUSED] = serial + 1, ""
        with st.spinner("Checking and importing…"):
            try:
                st.session_state[IMPORTED] = receive(
                    get_settings(), file, context.owner, context.space, context.store.address
                )
            except BundleError as error:
                st.session_state[REFUSED] = str(error)
    st.rerun()


def _in_words(context: PageContext, imported: Imported) -> str:
    if (count := len(imported.runs)) > 1:
        return f"{count} runs imported, with their curves and notes."
    title = run_title(context.store.run(imported.runs[0]))
    return f"{escape_markdown(title)} imported, with its curves and notes."
