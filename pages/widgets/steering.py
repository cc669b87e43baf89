"""All of a visitor's live runs: what they are doing, and the buttons that pause and stop them, together or one by one."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import send_request
from pages.widgets.run_states import state_label
from pages.widgets.text import escape_html, run_title, shorten
from trainer.describe.live import count_in_words, progress_in_words, seconds_left, steps_per_second
from trainer.formatting import format_duration
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState
from trainer.store import Run

MAX_LISTED = 12  # runs with a button of their own; the others follow as these end


def steering_buttons(context: PageContext, runs: Sequence[Run]) -> None:
    """Draws Pause or Resume, and Stop, for the visitor's live runs."""
    all_of_them = " all" if len(runs) > 1 else ""
    pausable = [run for run in runs if not _is_paused(run) and run.request is not RequestKind.STOP]
    resumable = [run for run in runs if _is_paused(run)]
    pauses = bool(pausable) or not resumable
    kind, chosen = (RequestKind.PAUSE, pausable) if pauses else (RequestKind.RESUME, resumable)
    st.button(
        f"{kind.capitalize()}{all_of_them}",
        key=kind.value,
        icon=f":material/{kind}:",
        disabled=not chosen,
        on_click=_send_to_all,
        args=(context, chosen, kind),
        help="Save a checkpoint and wait." if pauses else "Continue exactly where the runs paused.",
    )
    stoppable = [run for run in runs if run.request is not RequestKind.STOP]
    st.button(
        f"Stop{all_of_them}",
        key="stop",
        icon=":material/stop:",
        disabled=not stoppable,
        on_click=_send_to_all,
        args=(context, stoppable, RequestKind.STOP),
        help="End after the current step and save a checkpoint.",
    )


def overview(context: PageContext, runs: Sequence[Run]) -> None:
    """Draws what several live runs are doing, and under it each with a button that stops it. Redrawn at each poll."""
    if len(runs) < 2:
        return  # the status line above the charts says it
    seconds, rate = seconds_left(runs), steps_per_second(runs)
    facts = [f"{rate:,.0f} steps/s" if rate else ""]
    facts.append(f"about {format_duration(max(1, round(seconds)))} left" if seconds is not None else "")
    with st.container(key="live-overview", gap="small"):
        st.html(
            f'<p class="tp-live"><b role="status">{escape_html(count_in_words(runs))}</b>'
            f"<span>{escape_html(', '.join(filter(None, facts)))}</span></p>"
        )
        with st.expander("Each run", key="live-runs"):
            for run in runs[:MAX_LISTED]:
                _line(context, run)
            if len(runs) > MAX_LISTED:
                st.html(f'<p class="tp-quiet">and {len(runs) - MAX_LISTED} more</p>')


def _line(context: PageContext, run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        progress = progress_in_words(run) if run.status is RunState.RUNNING else ""
        st.html(
            f'<p class="tp-live"><b>{escape_html(run_title(run))}</b>'
            f"<span>{escape_html(', '.join(filter(None, [state_label(run), progress])))}</span></p>",
            width="stretch",
        )
        st.button(
            f"Stop {shorten(run_title(run), 24)}",
            key=f"stop-{run.id}",
            type="tertiary",
            icon=":material/stop:",
            disabled=run.request is RequestKind.STOP,
            on_click=send_request,
            args=(context, run.id, RequestKind.STOP),
        )


def _is_paused(run: Run) -> bool:
    return run.status is RunState.PAUSED or run.request is RequestKind.PAUSE


def _send_to_all(context: PageContext, runs: Sequence[Run], kind: RequestKind) -> None:
    for run in runs:
        send_request(context, run.id, kind)
