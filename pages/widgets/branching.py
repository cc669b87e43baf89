"""The checkpoints that a run keeps, the branches that begin at them, and where a branch comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from pages.widgets.chart_selection import show
from pages.widgets.controls import show_problem
from pages.widgets.knob_form import knob_form
from pages.widgets.launch import start_once
from pages.widgets.markup import chips, notice, quiet, table
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from pages.widgets.space_limits import space_left
from pages.widgets.text import escape_markdown, run_title
from trainer.config import ConfigError
from trainer.describe.origin import origin, parent_of
from trainer.engine.kept import Kept, Why, kept
from trainer.formatting import format_bytes
from trainer.lifecycle.branches import branch_knobs, branched
from trainer.lifecycle.states import RunState
from trainer.processes.branching import branch, state_at
from trainer.settings import get_settings
from trainer.spaces.limits import new_runs
from trainer.store import Run

MAX_LISTED = 8  # branches of one run that have a link
HELP = (
    "A branch is a new run that goes on from a checkpoint with the knobs that you change. Without a change it repeats what this "
    "run did from there on; schedules count from this run's first step."
)
REASONS = {
    Why.EPOCH: "evenly spread",
    Why.BEST: "best on validation",
    Why.LAST: "last",
    Why.MARKED: "marked",
}


def branches_section(context: PageContext, run: Run) -> None:
    """Draws links between a branch and the run that it comes from, and the run's checkpoints with what can be done there."""
    _lineage(context, run)
    section = st.expander(
        "Checkpoints", icon=":material/call_split:", key=f"kept-{run.id}", on_change="rerun"
    )
    with section:
        if section.open:
            _checkpoints(context, run)


def _lineage(context: PageContext, run: Run) -> None:
    parent = parent_of(context.store, run)
    if parent:
        _link(context, parent, origin(run, parent))
    elif run.parent_step is not None:
        st.html(quiet(f"{origin(run, None)}."))
    own = context.store.branches_of(run.id)
    for one in own[:MAX_LISTED]:
        _link(context, one, f"{run_title(one)} branched here at step {one.parent_step:,}")
    if len(own) > MAX_LISTED:
        st.html(quiet(f"and {len(own) - MAX_LISTED} more branches"))


def _link(context: PageContext, run: Run, label: str) -> None:
    st.page_link(
        context.runs_page,
        label=escape_markdown(label),
        icon=":material/call_split:",
        query_params={"run": str(run.id)},
    )


def _checkpoints(context: PageContext, run: Run) -> None:
    found = kept(get_settings().run_folder(run.id))
    if found:
        st.html(_listed(run, found))
    else:
        st.html(quiet("None yet. A run keeps its last checkpoint, and while it trains at most one a second."))
    if run.status is RunState.RUNNING and context.refusal(run) is None:
        st.button(
            "Mark this step",
            key=f"mark-{run.id}",
            icon=":material/bookmark_add:",
            disabled=run.request is not None,
            on_click=_mark,
            args=(context, run.id),
            help="Keeps a checkpoint of the run's next step, until the run is deleted. The run trains on.",
        )
    if found:
        _branch_form(context, run, found)


def _listed(run: Run, found: Sequence[Kept]) -> str:
    """Returns HTML: a row for each checkpoint."""
    best = run.progress.get("best_step")

    def why(one: Kept) -> str:
        """The best epoch of a large network may have come too soon after another checkpoint to be saved."""
        near = Why.BEST in one.reasons and one.step != best
        words = [REASONS[why] for why in one.reasons if why is not Why.EPOCH or len(one.reasons) == 1]
        return ", ".join(
            "best of those saved" if near and word == REASONS[Why.BEST] else word for word in words
        )

    rows = [
        [f"{one.step:,}", f"{one.epoch:,}", why(one).capitalize(), format_bytes(one.bytes)] for one in found
    ]
    return table(["Step", "Epochs", "Kept as", "Size"], rows)


def _branch_form(context: PageContext, run: Run, found: Sequence[Kept]) -> None:
    """Draws the choice of a checkpoint, the knobs that may change there, and the button."""
    steps = [one.step for one in reversed(found)]
    left = [one.step for one in found if one.epoch < run.config.get("epochs", 0)]
    step = st.selectbox(
        "Branch from",
        steps,
        index=steps.index(left[-1]) if left else 0,
        format_func=lambda one: f"Step {one:,}",
        key=f"fork-{run.id}",
        filter_mode=None,
        width=240,
        help=HELP,
    )
    chosen = next((one for one in found if one.step == step), found[-1])
    try:
        start, now, _ = state_at(context.store, run, chosen)
    except ConfigError as error:
        show_problem(str(error))
        return
    check = partial(branched, start, now, chosen.epoch)
    wanted, differs = knob_form(now, branch_knobs, check, place=f"branch-{run.id}-{chosen.step}-")
    changed = {change.key for change in differs}
    values = {key: value for key, value in (wanted or {}).items() if key in changed}
    space_left(context, new_runs())
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Branch from here",
            key=f"branch-{run.id}",
            type="primary",
            icon=":material/call_split:",
            disabled=wanted is None,
            on_click=_branch,
            args=(context, run, chosen.step, values),
            help="Starts a new run of yours at this checkpoint, and draws it beside this run. This run stays as it is.",
        )
        st.html(chips(differs, "Without a change, the branch repeats what this run did."), width="stretch")
    if run.owner != context.owner:
        st.html(notice("The branch is a run of your own: this run's checkpoint is copied."))


@reporting_errors()
def _mark(context: PageContext, run_id: int) -> None:
    context.store.mark(run_id, by=context.owner)
    st.toast("The run keeps a checkpoint of its next step.", icon=":material/bookmark_add:")


@reporting_errors()
def _branch(context: PageContext, run: Run, step: int, values: Mapping[str, Any]) -> None:
    """Starts the branch and puts it on the chart with the run that it comes from. A double click starts it once."""
    begin = partial(branch, context.store, get_settings(), run.id, step, values, by=context.owner)
    run_id = start_once((run.id, step, tuple(values.items())), begin)
    show(run.id)
    show(run_id)
    title = escape_markdown(run_title(context.store.run(run_id)))
    st.toast(
        f"{title} goes on from step {step:,}, on the chart of the Train page.", icon=":material/call_split:"
    )
