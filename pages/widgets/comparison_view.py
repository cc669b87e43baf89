"""One comparison: verdicts, where it stands, its curves with bands, and a table of each arm's changes, results and cost."""

from __future__ import annotations

from functools import partial
from typing import Final

import streamlit as st

from pages.widgets.band_options import band_options
from pages.widgets.comparison_about import comparison_about, comparison_heading
from pages.widgets.export_section import export_zip
from pages.widgets.launch import start_once
from pages.widgets.layer_chart import theme_colors
from pages.widgets.markup import quiet, table, waiting
from pages.widgets.noise_view import noise_button, noise_section
from pages.widgets.other_spaces import other_spaces
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from pages.widgets.text import escape_html
from trainer.comparison.analysis import Analysis, add_seeds, analyse
from trainer.comparison.design import MAX_SEEDS
from trainer.comparison.effects import Curves, read_curves
from trainer.comparison.figure import band_chart
from trainer.comparison.tables import EFFECTS_NOTE, arms_table, effects_table, factors_table, means_in_words
from trainer.comparison.verdicts import Claim
from trainer.export.collection import write_comparison
from trainer.export.report.page import report_html
from trainer.formatting import format_duration
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState
from trainer.settings import get_settings

INTERVAL: Final = 1.5
"""Seconds between two polls of a comparison that is under way."""
MARKS: Final = {Claim.BETTER: "▲", Claim.WORSE: "▼", Claim.EQUAL: "=", Claim.OPEN: "…"}


def comparison_view(context: PageContext, comparison_id: int) -> None:
    """Draws the comparison, and follows it for as long as it is under way."""
    found = analyse(context.store, comparison_id)
    comparison_heading(found.comparison)
    following = not found.is_over
    may_change = context.refusal(found.comparison, "comparison") is None

    def follow() -> None:
        now = analyse(context.store, comparison_id)
        # It has ended, or got more seeds: only a rerun of the page starts and ends the polling.
        if following == now.is_over:
            st.rerun(scope="app")
        if now.design.studies_noise:
            noise_section(now)
        else:
            _verdicts(now)
        _progress(now)
        if may_change:
            _actions(context, now)
        if now.design.studies_noise:
            return
        curves = read_curves(context.store, now)
        if now.effects:
            st.html(table(*factors_table(now)))
        _chart(now, curves)
        st.html(table(*arms_table(now)))
        _effects(now, curves)

    st.fragment(follow, run_every=INTERVAL if following else None)()
    _downloads(context, found)
    if may_change:
        comparison_about(context, found.comparison)
    elif found.comparison.notes:
        st.text(found.comparison.notes)
    other_spaces(context, found.comparison)
    st.markdown("##### How it is judged\n\n" + "\n\n".join(found.method))


def _verdicts(found: Analysis) -> None:
    items = "".join(
        f'<li class="tp-verdict tp-{verdict.claim}"><span aria-hidden="true">{MARKS[verdict.claim]}</span>'
        f"<p>{escape_html(sentence)}</p></li>"
        for verdict, sentence in zip(found.verdicts, found.sentences, strict=True)
    )
    st.html(f'<ul class="tp-verdicts" role="status">{items}</ul>')
    if fixed := found.design.fixed:
        holds = "this one split" if "split" in fixed else "the rest as it is here"
        st.html(
            quiet(f"The replicates differ in {found.design.varied} alone, so the verdict holds for {holds}.")
        )


def _progress(found: Analysis) -> None:
    if found.is_over:
        failed = found.states.get(RunState.FAILED, 0)
        st.html(quiet(f"{found.total} runs" + (f", {failed} of them failed." if failed else ", all ended.")))
        return
    training, queued = (found.states.get(state, 0) for state in (RunState.RUNNING, RunState.QUEUED))
    left = f", about {format_duration(found.seconds_left)} left" if found.seconds_left else ""
    paused = found.states.get(RunState.PAUSED, 0)
    st.progress(
        found.over / found.total,
        text=f"{found.over} of {found.total} runs over, {training} training, {queued} waiting"
        + (f", {paused} paused" if paused else "")
        + left,
    )


def _actions(context: PageContext, found: Analysis) -> None:
    comparison_id = found.comparison.id
    key = f"comparison-{comparison_id}"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key=f"{key}-actions"):
        if not found.is_over:
            st.button(
                "Stop all",
                icon=":material/stop:",
                key=f"{key}-stop",
                on_click=_stop,
                args=(context, comparison_id),
                help="Ends every run after its current step, and keeps what there is.",
            )
        elif found.states.get(RunState.STOPPED, 0):
            st.button(
                "Continue",
                icon=":material/play_arrow:",
                key=f"{key}-resume",
                on_click=_continue,
                args=(context, comparison_id),
                help="Continues the runs that were stopped, from where they were.",
            )
        room = MAX_SEEDS - len(found.design.seeds)
        wanted = min(found.more_seeds or 2, 20, room) or 1
        st.button(
            f"Add {wanted} {'seed' if wanted == 1 else 'seeds'}",
            icon=":material/add:",
            key=f"{key}-seeds",
            type="primary" if found.is_over and found.more_seeds else "secondary",
            on_click=_add_seeds,
            args=(context, found, wanted),
            disabled=not room,
            help=_help_on_seeds(found) if room else f"A comparison has at most {MAX_SEEDS} seeds.",
        )
        if not found.design.studies_noise:
            noise_button(context, found)


def _help_on_seeds(found: Analysis) -> str:
    if found.design.studies_noise:
        return "Trains the configuration with more seeds of each source, which narrows the intervals."
    return "Trains every arm with more seeds. The verdict stays valid however often you look and add."


@reporting_errors()
def _stop(context: PageContext, comparison_id: int) -> None:
    context.store.request_all(comparison_id, RequestKind.STOP, by=context.owner)


@reporting_errors()
def _continue(context: PageContext, comparison_id: int) -> None:
    context.store.resume_all(comparison_id, by=context.owner)


@reporting_errors()
def _add_seeds(context: PageContext, found: Analysis, count: int) -> None:
    """Adds seeds to the comparison as the visitor saw it. A double click adds them once."""
    comparison_id = found.comparison.id
    start_once(
        ("seeds", comparison_id, len(found.design.seeds)),
        lambda: add_seeds(context.store, comparison_id, count, by=context.owner),
    )


def _chart(found: Analysis, curves_of: Curves) -> None:
    kind, log = band_options("comparison")
    if not any(len(curves_of[run.id]) for arm in found.arms for run in arm.runs.values()):
        st.html(waiting("Waiting for the first epochs…"))
        return
    st.plotly_chart(
        band_chart(found, curves_of, theme_colors(), kind, log),
        key=f"comparison-chart-{found.comparison.id}",
        config={"displaylogo": False},
        alt=means_in_words(found),
    )


def _effects(found: Analysis, curves: Curves) -> None:
    """Draws what each arm did beside the measure, and at what cost."""
    if not any(run.status is RunState.FINISHED for arm in found.arms for run in arm.runs.values()):
        return
    target = st.number_input(
        "Target loss",
        0.0,
        None,
        None,
        format="%.4g",
        key=f"comparison-target-{found.comparison.id}",
        placeholder="The baseline's lowest",
        help="A validation loss. The table says how soon each arm got there; by default the lowest of the baseline's run with "
        "the same seed.",
        width=240,
    )
    st.html(table(*effects_table(found, curves, target)))
    st.html(quiet(EFFECTS_NOTE))


def _downloads(context: PageContext, found: Analysis) -> None:
    store, comparison_id = context.store, found.comparison.id
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "Download report",
            lambda: report_html(store, [comparison_id]).encode(),  # on the click, not whenever it is drawn
            f"comparison-{comparison_id}.html",
            "application/octet-stream",  # as HTML it would be a page of this server
            key=f"comparison-report-{comparison_id}",
            icon=":material/download:",
            on_click="ignore",
            help="Verdicts, chart, tables, configurations and how to repeat it: one file that opens without a network.",
        )
        export_zip(
            "Export",
            [run for arm in found.arms for run in arm.runs.values()],
            partial(write_comparison, store, get_settings(), comparison_id),
            f"comparison-{comparison_id}.zip",
            key=f"comparison-export-{comparison_id}",
            help="The comparison with all its runs in one file, which another installation imports on its Runs page.",
            command=f"export --comparison {comparison_id}",
        )
