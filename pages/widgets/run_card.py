"""One run of those on the chart: its color, state, what changed, how it did, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import streamlit as st

from pages.widgets import baseline, chart_selection
from pages.widgets.branching import branches_section
from pages.widgets.diagnosis import diagnosis
from pages.widgets.history import config_of, run_facts, seconds_of
from pages.widgets.knob_changes import changes_section
from pages.widgets.knobs import load_config
from pages.widgets.markup import difference_chips, facts_list, notice, problem, state_pill
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import send_request
from pages.widgets.run_states import state_label
from pages.widgets.text import escape_html, run_title
from pages.widgets.what_if import what_if_link
from trainer.curves.palette import PALETTE
from trainer.describe.labels import Differences
from trainer.formatting import format_duration
from trainer.lifecycle.hot_knobs import KnobChange
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState
from trainer.store import Run


def run_card(
    context: PageContext,
    run: Run,
    place: chart_selection.Place,
    differs: Differences,
    changes: Sequence[KnobChange],
) -> None:
    """Draws the card."""
    with st.container(border=True, key=f"card-{run.id}", gap="small"):
        with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
            st.html(_headline(run, place, differs), width="stretch")
            st.page_link(
                context.health_page,
                label="Health",
                icon=":material/monitor_heart:",
                query_params={"run": str(run.id)},
                help="What happens inside this run, layer by layer.",
            )
            _menu(context, run, place)
        if facts := run_facts(run):
            st.html(facts_list(facts))
        if not run.is_over and (may_not := context.refusal(run)):
            st.html(notice(may_not))
        for sentence in run.notices:
            st.html(notice(sentence))
        if run.error:
            show_error(run)
        changes_section(context, run, changes)
        branches_section(context, run)
        diagnosis(context, run)
        what_if_link(context, run)


def show_error(run: Run) -> None:
    """Draws the sentence that says what went wrong, with the traceback one click away."""
    st.html(problem(run.error or ""))
    if run.traceback:
        with st.expander("Traceback"):
            st.code(run.traceback, language=None, wrap_lines=True)


def run_state(run: Run) -> str:
    """Returns HTML of the run's state, or of the request that it has yet to carry out."""
    return state_pill(run.status, state_label(run))


def _headline(run: Run, place: chart_selection.Place, differs: Differences) -> str:
    light, dark = (PALETTE[theme][place.color % chart_selection.COLORS] for theme in ("light", "dark"))
    seconds = seconds_of(run) if run.is_over else None
    return (
        f'<div class="tp-run{"" if place.visible else " tp-hidden"}">'
        f'<span class="tp-swatch{" tp-repeated" if place.color >= chart_selection.COLORS else ""}" '
        f'style="--tp-run:light-dark({light},{dark})"></span>'
        f'<strong class="tp-name">{escape_html(run_title(run))}</strong>{run_state(run)}'
        f"{difference_chips(differs)}"
        f'<span class="tp-quiet">{format_duration(seconds) if seconds is not None else ""}</span></div>'
    )


def _menu(context: PageContext, run: Run, place: chart_selection.Place) -> None:
    actions: dict[str, Callable[[], None]] = {
        "Hide" if place.visible else "Show": lambda: chart_selection.toggle(run.id),
        "Next color": lambda: chart_selection.recolor(run.id),
        "Remove from chart": lambda: chart_selection.remove(run.id),
    }
    if baseline.is_pinned(run.id):
        actions["Unpin as baseline"] = baseline.unpin
    else:
        actions["Pin as baseline"] = lambda: baseline.pin(run.id)
    if (config := config_of(run)) is not None:
        actions["Load these knobs"] = lambda: load_config(config)
    for kind in _possible_requests(run) if context.refusal(run) is None else ():
        actions[kind.capitalize()] = partial(send_request, context, run.id, kind)
    key = f"menu-{run.id}"

    def act() -> None:
        if (chosen := st.session_state[key]) in actions:
            actions[chosen]()

    st.menu_button("Actions", list(actions), key=key, on_click=act, type="tertiary")


def _possible_requests(run: Run) -> Iterator[RequestKind]:
    if run.status in (RunState.QUEUED, RunState.RUNNING):
        yield RequestKind.PAUSE
    if not run.is_over:
        yield RequestKind.STOP
    if run.status in (RunState.PAUSED, RunState.STOPPED, RunState.FAILED):
        yield RequestKind.RESUME
