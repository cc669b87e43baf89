"""Taking in a run that was exported elsewhere."""

from __future__ import annotations

import streamlit as st

from pages.widgets.text import escape_markdown
from trainer.export.sandboxed_import import receive
from trainer.export.unbundle import BundleError
from trainer.settings import get_settings

DONE, TURN = "imported-run", "import-turn"


def import_run(owner: str) -> None:
    """Draw the uploader; a run that comes in is selected."""
    if (done := st.session_state.pop(DONE, None)) is not None:
        st.toast(f"Run {done} is here, with its curves and notes.", icon=":material/download_done:")
    with st.expander("Import a run", icon=":material/upload:"):
        turn = st.session_state.setdefault(TURN, 0)
        file = st.file_uploader(
            "A run's zip",
            type="zip",
            key=f"import-file-{turn}",
            help="Made elsewhere with Take it away, Everything. It is checked before anything is kept.",
        )
        if file is None:
            return
        try:
            with st.spinner("Checking and taking it in …"):
                run_id = receive(get_settings(), file, owner)
        except BundleError as error:
            st.error(escape_markdown(error), icon=":material/error:")
            return
    st.session_state[DONE], st.session_state[TURN] = run_id, turn + 1
    st.query_params["run"] = str(run_id)
    st.rerun()
