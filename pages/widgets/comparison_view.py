"""One comparison: verdicts, where it stands, its curves with bands, and a table of each arm's changes, results and cost."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import streamlit as st

from pages.widgets.band_chart import BANDS, ArmCurves, band_chart
from pages.widgets.launch import start_once
from pages.widgets.linked_comparison import link_to_comparison
from pages.widgets.markup import quiet, table, waiting
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from pages.widgets.text import escape_html
from trainer.comparison.analysis import Analysis, ArmSummary, add_seeds, analyse
from trainer.comparison.bands import align
from trainer.comparison.design import MAX_SEEDS
from trainer.comparison.effects import Curves, effects, read_curves
from trainer.comparison.readings import READINGS
from trainer.comparison.verdicts import Claim
from trainer.formatting import format_bytes, format_duration
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState
from trainer.settings import get_settings
from trainer.store import MAX_LENGTHS, refusal

INTERVAL: Final = 1.5
"""Seconds between two polls of a comparison that is under way."""
MARKS: Final = {Claim.BETTER: "▲", Claim.WORSE: "▼", Claim.EQUAL: "=", Claim.OPEN: "…"}


def comparison_view(context: PageContext, comparison_id: int) -> None:
    """Draws the comparison, and follows it for as long as it is under way."""
    found = analyse(context.store, comparison_id)
    _heading(found)
    following = not found.is_over
    may_change = refusal(found.comparison, context.owner) is None

    def follow() -> None:
        now = analyse(context.store, comparison_id)
        # It has ended, or got more seeds: only a rerun of the page starts and ends the polling.
        if following == now.is_over:
            st.rerun(scope="app")
        _verdicts(now)
        _progress(now)
        if may_change:
            _actions(context, now)
        curves = read_curves(context.store, now)
        _chart(now, curves)
        _table(now)
        _effects(now, curves)

    st.fragment(follow, run_every=INTERVAL if following else None)()
    if may_change:
        _about(context, found)
    elif found.comparison.notes:
        st.text(found.comparison.notes)
    st.markdown(HOW)


def _heading(found: Analysis) -> None:
    title = found.comparison.title or f"Comparison {found.comparison.id}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "All comparisons",
            key="comparison-back",
            type="tertiary",
            icon=":material/arrow_back:",
            on_click=link_to_comparison,
            args=(None,),
        )
    st.html(f'<h1 class="tp-page">{escape_html(title)}</h1>')


def _verdicts(found: Analysis) -> None:
    items = "".join(
        f'<li class="tp-verdict tp-{arm.verdict.claim}"><span aria-hidden="true">{MARKS[arm.verdict.claim]}</span>'
        f"<p>{escape_html(arm.sentence)}</p></li>"
        for arm in found.arms
        if arm.verdict
    )
    st.html(f'<ul class="tp-verdicts" role="status">{items}</ul>')


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
    with st.container(horizontal=True, gap="small", key=f"{key}-actions"):
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
            help="Trains every arm with more seeds. The verdict stays valid however often you look and add."
            if room
            else f"A comparison has at most {MAX_SEEDS} seeds.",
        )


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
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        kind = st.segmented_control(
            "Band",
            list(BANDS),
            default="mean",
            required=True,
            format_func=BANDS.__getitem__,
            key="comparison-band",
            label_visibility="collapsed",
        )
        log = st.toggle("Logarithmic", key="comparison-log")
    reading = READINGS[found.design.measure]
    column, label = ("val_metric", "validation score") if reading.score else ("val_loss", "validation loss")
    arms = []
    for arm in found.arms:
        curves = {
            replicate: curves_of[run.id].column(column, missing=math.nan)
            for replicate, run in arm.runs.items()
        }
        arms.append(ArmCurves(arm.name, align(curves, {one: run.is_over for one, run in arm.runs.items()})))
    if not any(len(arm.curves.values) for arm in arms):
        st.html(waiting("Waiting for the first epochs…"))
        return
    st.plotly_chart(
        band_chart(arms, label, kind or "mean", log),
        key=f"comparison-chart-{found.comparison.id}",
        config={"displaylogo": False},
        alt=_summary(found),
    )


def _summary(found: Analysis) -> str:
    return f"{found.measure.label} by arm: " + ", ".join(
        f"{arm.name} {arm.mean:.3g}" for arm in found.arms if math.isfinite(arm.mean)
    )


def _table(found: Analysis) -> None:
    columns = [
        "Arm",
        "Changes",
        "Runs",
        found.measure.label.capitalize(),
        "Difference",
        "P(better)",
    ]
    st.html(table(columns, [_row(arm) for arm in found.arms], "Means over the seeds that are over"))


def _row(arm: ArmSummary) -> list[str]:
    verdict = arm.verdict
    spread = np.std([one.value for one in arm.outcomes.values() if math.isfinite(one.value)] or [math.nan])
    return [
        arm.name,
        "; ".join(arm.changes) or ("–" if arm.verdict else "baseline"),
        f"{len(arm.outcomes)} of {len(arm.runs)}",
        f"{_number(arm.mean)} ± {_number(float(spread))}",
        _number(verdict.effect) if verdict else "",
        f"{verdict.probability_better:.0%}" if verdict and verdict.pairs else "",
    ]


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
    columns = [
        "Arm",
        "Lowest validation loss",
        "Final validation loss",
        "Test loss",
        "Gap",
        "Reached the target",
        "Steps to it",
        "Time to it",
        "Time",
        "Steps/s",
        "Parameters",
        "Peak memory",
    ]
    rows = [
        [
            arm.name,
            _number(did.best_loss),
            _number(did.final_loss),
            _number(did.test_loss),
            _number(did.gap),
            f"{did.reached} of {did.finished}",
            f"{did.steps:,.0f}" if did.reached else "–",
            format_duration(did.seconds) if did.reached else "–",
            format_duration(arm.seconds),
            _number(arm.steps_per_second),
            f"{arm.parameters:,}" if arm.parameters else "–",
            format_bytes(arm.peak_memory) if math.isfinite(arm.peak_memory) else "–",
        ]
        for arm, did in zip(found.arms, effects(found, curves, target), strict=True)
    ]
    st.html(table(columns, rows, "What it did: means over the runs that have finished"))
    st.html(
        quiet(
            "The test part is evaluated once, with the weights that a run ends with. The gap is validation less training loss in "
            "the last epoch: how far the network memorized."
        )
    )


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−") if math.isfinite(value) else "–"


def _about(context: PageContext, found: Analysis) -> None:
    """Draws title and notes, and the ways to archive and to delete."""
    store, comparison_id = context.store, found.comparison.id
    title, notes = f"comparison-title-{comparison_id}", f"comparison-notes-{comparison_id}"
    with st.expander("Title and notes"):
        st.text_input(
            "Title",
            found.comparison.title,
            max_chars=MAX_LENGTHS["name"],
            key=title,
            on_change=reporting_errors()(
                lambda: store.rename_comparison(
                    comparison_id, st.session_state[title].strip(), by=context.owner
                )
            ),
        )
        st.text_area(
            "Notes",
            found.comparison.notes,
            max_chars=MAX_LENGTHS["notes"],
            key=notes,
            placeholder="What did you expect, what did you see?",
            on_change=reporting_errors()(
                lambda: store.set_comparison_notes(comparison_id, st.session_state[notes], by=context.owner)
            ),
        )
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Unarchive" if found.comparison.archived else "Archive",
                icon=":material/archive:",
                key=f"comparison-archive-{comparison_id}",
                on_click=reporting_errors()(
                    lambda: store.archive_comparison(
                        comparison_id, not found.comparison.archived, by=context.owner
                    )
                ),
            )
            if st.button("Delete", icon=":material/delete:", key=f"comparison-delete-{comparison_id}"):
                _confirm_delete(context, comparison_id)


HOW: Final = """
##### How the verdict is reached

Each seed trains every arm on the same split, from the same initial weights, with the same batches in the same order, so the arms
differ in what was changed and in nothing else. The verdict rests on the differences between arm and baseline, one for each seed.
It may be looked at after every run, and more seeds may be added at any time: the probability of ever claiming a difference that
is not there stays at 5% or below. An arm whose loss diverges counts as worse, and is never left out. How many more seeds would
tell is estimated by continuing the differences so far at random, 200 times.
"""


@st.dialog("Delete this comparison?")
def _confirm_delete(context: PageContext, comparison_id: int) -> None:
    st.markdown("The comparison is deleted for good, with all its runs, their curves and checkpoints.")
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep it"):
            st.rerun()
        if st.button(
            "Delete for good",
            type="primary",
            key="confirm-delete-comparison",
            on_click=_delete,
            args=(context, comparison_id),
        ):
            st.rerun()


@reporting_errors()
def _delete(context: PageContext, comparison_id: int) -> None:
    for run_id in context.store.delete_comparison(comparison_id, by=context.owner):
        get_settings().remove_run_folder(run_id)
    link_to_comparison(None)
