"""The frame of every page: who is here, the sidebar, and the way from one page to another.

This is the script that the server runs for each visitor; a page is one line in `PAGES`.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st
from sqlalchemy.exc import DBAPIError

from pages import data, experiments, health, lr_finder, reference, runs, train
from pages.server.lifespan import store
from pages.server.visitor import visitor
from pages.widgets.knobs import draw_knobs, show_link_notices
from pages.widgets.page_context import PageContext
from pages.widgets.text import escape_markdown
from trainer.settings import SettingsError, get_settings
from trainer.store import StoreError

LOG = logging.getLogger(__name__)
WIDGETS = Path(__file__).parent / "widgets"

_CONTEXT = "page-context"


def _page(draw: Callable[[PageContext], None], title: str, icon: str, **options: Any) -> st.Page:
    """A page whose function gets the context; Streamlit itself calls pages without arguments."""
    return st.Page(
        lambda: draw(st.session_state[_CONTEXT]), title=title, icon=f":material/{icon}:", **options
    )


TRAIN = _page(train.page, "Train", "model_training", default=True)
HEALTH = _page(health.page, "Health", "monitor_heart", url_path="health")
DATA = _page(data.page, "Your data", "upload_file", url_path="data")
PAGES = (
    TRAIN,
    _page(experiments.page, "Experiments", "science", url_path="experiments"),
    _page(lr_finder.page, "LR finder", "troubleshoot", url_path="lr-finder"),
    HEALTH,
    DATA,
    _page(runs.page, "Runs", "table_rows", url_path="runs"),
    _page(reference.page, "Reference", "menu_book", url_path="reference"),
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
        st.session_state[_CONTEXT] = PageContext(store(), visitor(), knobs, TRAIN, HEALTH, DATA)
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
