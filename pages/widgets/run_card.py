"""One run of those on the axes: its colour, state, what changed, how it did, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.widgets import chart_selection as lineup
from pages.widgets.diagnosis import diagnosis
from pages.widgets.history import UNCHANGED, config_of, measured
from pages.widgets.knobs import load_config
from pages.widgets.live_chart import PALETTE
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import ask
from pages.widgets.text import chips, duration, elapsed, escape_html, escape_markdown, run_title, status_pill
from trainer.config import Change
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState
from trainer.store import Run, Store


def run_card(context: PageContext, run: Run, place: lineup.Place, changes: Sequence[Change]) -> None:
    """Draw the card."""
    with st.container(border=True, key=f"card-{run.id}", gap="small"):
        with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
            st.html(_headline(run, place, changes), width="stretch")
            st.page_link(
                context.health_page,
                label="Health",
                icon=":material/monitor_heart:",
                query_params={"run": str(run.id)},
                help="What happens inside this run, layer by layer.",
            )
            _menu(context.store, run, place)
        if facts := measured(run):
            st.html(_facts(facts))
        for notice in run.notices:
            st.html(f'<p class="tp-notice">{escape_html(notice)}</p>')
        if run.error:
            show_error(run)
        diagnosis(context, run)


def show_error(run: Run) -> None:
    """The sentence that says what went wrong; the traceback one click away."""
    st.error(escape_markdown(run.error), icon=":material/error:")
    if run.traceback:
        with st.expander("Traceback"):
            st.code(run.traceback, language=None, wrap_lines=True)


def state_of(run: Run) -> str:
    """HTML of the run's state, or of what it was just asked to do."""
    return status_pill(run.status, run.request.label if run.request else run.status.label)


def _headline(run: Run, place: lineup.Place, changes: Sequence[Change]) -> str:
    light, dark = (PALETTE[theme][place.color % lineup.COLOURS] for theme in ("light", "dark"))
    seconds = elapsed(run) if run.is_over else None
    return (
        f'<div class="tp-run{"" if place.visible else " tp-hidden"}">'
        f'<span class="tp-swatch" style="background:light-dark({light},{dark})"></span>'
        f'<strong class="tp-name">{escape_html(run_title(run))}</strong>{state_of(run)}'
        f"{chips(changes, UNCHANGED)}"
        f'<span class="tp-quiet">{duration(seconds) if seconds is not None else ""}</span></div>'
    )


def _facts(facts: dict[str, str]) -> str:
    pairs = "".join(
        f"<div><dt>{escape_html(name)}</dt><dd>{escape_html(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f'<dl class="tp-facts">{pairs}</dl>'


def _menu(store: Store, run: Run, place: lineup.Place) -> None:
    actions = {
        "Hide" if place.visible else "Show": lambda: lineup.toggle(run.id),
        "Next colour": lambda: lineup.recolour(run.id),
        "Remove from chart": lambda: lineup.remove(run.id),
    }
    if (config := config_of(run)) is not None:
        actions["Load these knobs"] = lambda: load_config(config)
    if run.status in (RunState.QUEUED, RunState.RUNNING):
        actions["Pause"] = lambda: ask(store, run.id, RequestKind.PAUSE)
    if not run.is_over:
        actions["Stop"] = lambda: ask(store, run.id, RequestKind.STOP)
    if run.status in (RunState.PAUSED, RunState.STOPPED, RunState.FAILED):
        actions["Resume"] = lambda: ask(store, run.id, RequestKind.RESUME)
    key = f"menu-{run.id}"

    def act() -> None:
        if (chosen := st.session_state[key]) in actions:
            actions[chosen]()

    st.menu_button("Actions", list(actions), key=key, on_click=act, type="tertiary")
