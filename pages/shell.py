"""The frame of every page: the navigation, the sidebar's knobs, and the page between them.

Streamlit runs this script from top to bottom when a visitor arrives, and again at each click. A page is a function in a
file of its own that draws what its `PageContext` holds, and one entry in `PAGES`.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st
from sqlalchemy.exc import DBAPIError

from pages import comparisons, data, health, lessons, lr_finder, reference, runs, spaces, train
from pages.server.first_page import first_page
from pages.server.security import exposure
from pages.server.store import store
from pages.server.visitor import visitor, visitor_address
from pages.widgets.frame import complete_frame
from pages.widgets.knobs import draw_knobs
from pages.widgets.link_notices import show_link_notices
from pages.widgets.markup import problem, warning
from pages.widgets.page_context import PageContext
from pages.widgets.space_choice import choose_space
from trainer.settings import SettingsError, get_settings
from trainer.store import DatabaseReplacedError, StoreError

LOG = logging.getLogger(__name__)
WIDGETS = Path(__file__).parent / "widgets"
CONTEXT = "page-context"
KNOB_PAGES = ("", "experiments", "lr-finder")  # addresses; on other pages the knobs are folded away


def _page(draw: Callable[[PageContext], None], title: str, icon: str, **options: Any) -> st.Page:
    """Returns a page. Streamlit calls it without arguments, so its context waits in the session."""
    return st.Page(lambda: draw(st.session_state[CONTEXT]), title=title, icon=f":material/{icon}:", **options)


TRAIN = _page(train.page, "Train", "model_training", default=True)
# The address is that of older versions, whose links still open.
COMPARISONS = _page(comparisons.page, "Comparisons", "science", url_path="experiments")
HEALTH = _page(health.page, "Health", "monitor_heart", url_path="health")
DATA = _page(data.page, "Your data", "upload_file", url_path="data")
RUNS = _page(runs.page, "Runs", "table_rows", url_path="runs")
SPACES = _page(spaces.page, "Spaces", "groups", url_path="spaces")
PAGES = [
    TRAIN,
    _page(lessons.page, "Lessons", "school", url_path="lessons"),
    COMPARISONS,
    _page(lr_finder.page, "LR finder", "troubleshoot", url_path="lr-finder"),
    HEALTH,
    DATA,
    RUNS,
    SPACES,
    _page(reference.page, "Reference", "menu_book", url_path="reference"),
]


def main() -> None:
    """Draws the frame, and inside it the page that the visitor chose."""
    st.set_page_config("Trainscope", page_icon=str(WIDGETS / "favicon.svg"), layout="wide")
    st.html(WIDGETS / "styles.css")
    page = st.navigation(PAGES)
    with st.sidebar:
        choice = st.container(key="space")
        knobs = draw_knobs(folded=page.url_path not in KNOB_PAGES)
        complete_frame(page.url_path, knobs.address)
    if sentence := exposure():
        st.html(warning(sentence))
    try:
        with choice:
            place = choose_space(store(), visitor(), visitor_address())
        show_link_notices()
        pages = (TRAIN, COMPARISONS, HEALTH, DATA, RUNS, SPACES)
        st.session_state[CONTEXT] = PageContext(
            place.store, visitor(), place.space, place.roles, place.shared, knobs, *pages
        )
        page.run()
    except (StoreError, SettingsError) as error:  # their messages say what to do
        st.html(problem(str(error)))
        _offer_retry()
    except (DBAPIError, OSError) as error:
        _draw_unreachable(error)


def _draw_unreachable(error: Exception) -> None:
    """Draws, instead of the page, that the database cannot be reached and what to check."""
    LOG.warning("A page could not be drawn: %s", error)
    if isinstance(error, DatabaseReplacedError):
        st.html(problem(str(error.orig)))
        _offer_retry()
        return
    settings = get_settings()
    check = (
        "the PostgreSQL server runs and can be reached"
        if settings.database_url.startswith("postgres")
        else f"{settings.home} is writable and has free space"
    )
    st.html(
        problem(
            "The database cannot be reached. Nothing is lost: active runs continue, and save what they record once it answers. "
            f"Check that {check}."
        )
    )
    _offer_retry()
    with st.expander("Details"):
        st.text(str(error))


def _offer_retry() -> None:
    st.button("Try again", icon=":material/refresh:", type="primary")


main()
first_page.drawn = True
