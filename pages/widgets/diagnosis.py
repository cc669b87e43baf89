"""What went wrong with a run, in two sentences each, and a button that tries the fix on a twin."""

from __future__ import annotations

import streamlit as st

from pages.widgets.chart_selection import show
from pages.widgets.diagnosis_cache import diagnosis_of
from pages.widgets.launch import launch
from pages.widgets.markup import chips
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from pages.widgets.text import escape_html, escape_markdown, run_title, shorten
from pages.widgets.what_if import fix_link
from trainer.config import Change, RunConfig, diff
from trainer.diagnosis import Finding, evidence_label, judged_since
from trainer.lifecycle.states import RunState
from trainer.store import Run

NO_FINDINGS = "No problems found"
_TRIED = "fixes-tried"  # twins that this tab has started, by the run and the failure that they fix


def diagnosis(context: PageContext, run: Run) -> None:
    """Draws the findings of a run; for a finished one without any, a quiet line."""
    found = diagnosis_of(context.store, run)
    config = found.config
    if config is None:
        return
    for finding in found.findings:
        with st.container(key=f"finding-{run.id}-{finding.name}", gap="small"):
            st.html(_description(finding, config))
            _fix(context, run, config, finding)
            fix_link(context, run, finding)  # below the button: a phone has no room beside it
    if found.judged and not found.findings and run.status is RunState.FINISHED:
        said = judged_since(found.since) if found.since else NO_FINDINGS
        st.html(f'<p class="tp-quiet tp-sound">{said}</p>')


def _description(finding: Finding, config: RunConfig) -> str:
    """Returns HTML: the title, both sentences, and the evidence as a small list."""
    items = "".join(
        f"<li>{escape_html(evidence_label(item, config))}: <b>{escape_html(shorten(item.text, 120))}</b></li>"
        for item in finding.evidence
    )
    return (
        f'<section class="tp-finding tp-severity-{finding.severity}" aria-label="Diagnosis">'
        f"<h3>{escape_html(finding.title)}</h3><p>{escape_html(' '.join(finding.sentences))}</p><ul>{items}</ul></section>"
    )


def _fix(context: PageContext, run: Run, config: RunConfig, finding: Finding) -> None:
    """Draws the button that starts the twin, and what it changes."""
    twin = config.changed(finding.fix)
    changes = diff(config, twin)
    tried = st.session_state.get(_TRIED, {}).get((run.id, finding.name))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            f"Try the fix: {escape_markdown(shorten(_brief(changes), 60))}",
            key=f"fix-{run.id}-{finding.name}",
            icon=":material/healing:",
            disabled=tried is not None,
            on_click=_try_fix,
            args=(context, run, finding, twin, changes),
            help="Starts the twin: the same seed and knobs but for this change, drawn beside this run."
            if run.follows_its_config
            else "Starts a new run with the seed and the knobs that this run has now but for this change, drawn beside it.",
        )
        started = (
            ""
            if tried is None
            else f'<span class="tp-quiet" role="status">Started as {escape_html(tried)}.</span>'
        )
        st.html(f'<div class="tp-run">{chips(changes)}{started}</div>', width="stretch")


def _brief(changes: list[Change]) -> str:
    """Returns the first change, and how many more there are."""
    more = f" +{len(changes) - 1}" if len(changes) > 1 else ""
    return f"{changes[0].label} → {changes[0].after}{more}"


@reporting_errors()
def _try_fix(
    context: PageContext, run: Run, finding: Finding, twin: RunConfig, changes: list[Change]
) -> None:
    """Starts the twin and puts it on the chart beside the run that it fixes."""
    note = f"Tries a fix of {run_title(run)} ({finding.title}): {', '.join(map(str, changes))}."
    show(run.id)
    run_id = launch(context.store, context.owner, twin, notes=note)
    title = run_title(context.store.run(run_id))
    st.session_state.setdefault(_TRIED, {})[(run.id, finding.name)] = title
    st.toast(
        f"{escape_markdown(title)} tries the fix, on the chart of the Train page.", icon=":material/healing:"
    )
