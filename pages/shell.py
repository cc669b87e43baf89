"""The frame of every page: who is here, the sidebar, and the way from one page to another.

This is the script that the server runs for each visitor; a page is one line in `PAGES`.
"""

import logging
from pathlib import Path

import streamlit as st
from sqlalchemy.exc import DBAPIError

from pages import data, experiments, health, lr_finder, reference, runs, train
from pages.page_context import Frame
from pages.server.lifespan import store
from pages.server.visitor import visitor
from pages.widgets.knobs import draw_knobs, show_link_notices
from pages.widgets.text import escape_markdown
from trainer.settings import SettingsError, get_settings
from trainer.store import StoreError

LOG = logging.getLogger(__name__)
WIDGETS = Path(__file__).parent / "widgets"

HEALTH = st.Page(health.page, title="Health", icon=":material/monitor_heart:", url_path="health")
DATA = st.Page(data.page, title="Your data", icon=":material/upload_file:", url_path="data")
PAGES = (
    st.Page(train.page, title="Train", icon=":material/model_training:", default=True),
    st.Page(experiments.page, title="Experiments", icon=":material/science:", url_path="experiments"),
    st.Page(lr_finder.page, title="LR finder", icon=":material/troubleshoot:", url_path="lr-finder"),
    HEALTH,
    DATA,
    st.Page(runs.page, title="Runs", icon=":material/table_rows:", url_path="runs"),
    st.Page(reference.page, title="Reference", icon=":material/menu_book:", url_path="reference"),
)


def main() -> None:
    """Draw the frame, then the chosen page inside it."""
    st.set_page_config("Trainscope", page_icon=str(WIDGETS / "favicon.svg"), layout="wide")
    st.html(WIDGETS / "styles.css")
    page = st.navigation(list(PAGES))
    with st.sidebar:
        knobs = draw_knobs()
    show_link_notices()
    try:
        st.session_state["frame"] = Frame(store(), visitor(), knobs, PAGES[0], HEALTH, DATA)
        page.run()
    except (StoreError, SettingsError) as error:  # their text says what to do
        st.error(escape_markdown(error), icon=":material/error:")
        st.button("Try again", icon=":material/refresh:", type="primary")
    except (DBAPIError, OSError) as error:
        _unreachable(error)


def _unreachable(error: Exception) -> None:
    """The database does not answer: say so, and offer to try again."""
    LOG.warning("A page could not be drawn: %s", error)
    st.error(
        "The database cannot be reached just now. Nothing is lost: runs that train go on and save what they record. "
        f"Check that {escape_markdown(get_settings().home)} has space and may be written to.",
        icon=":material/cloud_off:",
    )
    st.button("Try again", icon=":material/refresh:", type="primary")
    with st.expander("What happened"):
        st.text(str(error))


main()
