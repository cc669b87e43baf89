"""Changing the hot knobs of a run under way, and what was changed of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from pages.widgets.history import config_of
from pages.widgets.knob_form import knob_form
from pages.widgets.live_chart import ShownChange
from pages.widgets.markup import chips, quiet
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from trainer.config import RunConfig, diff
from trainer.describe.labels import in_words
from trainer.lifecycle.hot_knobs import (
    AppliedChange,
    KnobChange,
    applied_changes,
    changed_in_training,
    hot_knobs,
    is_probe,
    newest_config,
    values_of,
    waits_for_epoch,
)
from trainer.processes.changes import request_change
from trainer.settings import get_settings
from trainer.store import Run

LISTED = 5  # changes on a card; the charts draw more
MAX_SHOWN = 40
"""Changes of one run that charts draw as lines."""
HELP = (
    "Takes effect between two steps and is drawn as a line in the charts. A new schedule counts from the start of the run; "
    "a batch size, and what is changed after it, begins with the next epoch."
)


def changes_section(context: PageContext, run: Run, changes: Sequence[KnobChange]) -> None:
    """Draws what was changed of a run, and for one under way that is the visitor's, the controls that change it."""
    start = config_of(run)
    if start is None:
        return
    _list(start, changes, over=run.is_over)
    if run.is_over or context.refusal(run) or is_probe(start):
        return
    if reason := context.store.change_refusal(run):
        st.html(quiet(reason))
        return
    section = st.expander(
        "Change knobs now", icon=":material/tune:", key=f"change-{run.id}", on_change="rerun"
    )
    with section:
        if section.open:
            _controls(context, run, newest_config(start, changes), len(changes))


def shown_changes(run: Run, changes: Sequence[KnobChange]) -> list[ShownChange]:
    """Returns the changes that a run has applied, as its charts draw them; those of a branch begin with the fork."""
    start = config_of(run)
    if start is None:
        return []
    applied = applied_changes(start, [one for one in changes if one.step is not None])
    found = [ShownChange(int(one.step or 0), _words(one), _clip(one.config)) for one in applied]
    if (fork := run.parent_step) is None:
        return found
    before, after = ([one for one in found if (one.step > fork) is later] for later in (False, True))
    said = [one.label for one in before if one.step == fork]
    clip = before[-1].clip if before else _clip(start)
    return [ShownChange(fork, ": ".join(["Branched", *said[-1:]]), clip), *after]


def clip_thresholds(start: RunConfig, changes: Sequence[KnobChange]) -> list[float]:
    """Returns the gradient norms at which a run has clipped, each once, the newest last."""
    applied = applied_changes(start, [one for one in changes if one.step is not None])
    clips = [_clip(config) for config in (start, *(one.config for one in applied))]
    return list(dict.fromkeys(clip for clip in reversed(clips) if clip is not None))[::-1]


def _words(change: AppliedChange) -> str:
    return ", ".join(map(in_words, change.differences))


def _clip(config: RunConfig) -> float | None:
    clip: float | None = config.clipping.knobs.get("max_norm")
    return clip


def _list(start: RunConfig, changes: Sequence[KnobChange], *, over: bool) -> None:
    """Draws the newest changes, each with its step."""
    if not changes:
        return
    said = applied_changes(start, changes)
    lines = [
        f'<div class="tp-run"><span class="tp-quiet">{_when(one.step, over=over)}</span>{chips(one.differences)}</div>'
        for one in said[-LISTED:]
    ]
    if len(said) > LISTED:
        lines.insert(0, quiet(f"{len(said) - LISTED} earlier changes"))
    st.html("".join(lines))


def _when(step: int | None, *, over: bool) -> str:
    if step is not None:
        return f"Changed at step {step:,}"
    return "Not applied, as the run ended first" if over else "Requested"


def _controls(context: PageContext, run: Run, now: RunConfig, serial: int) -> None:
    """Draws the run's hot knobs with their current values, and Apply. After each change, the controls are reset."""
    st.caption(HELP)
    wanted, differs = knob_form(now, hot_knobs, partial(_check, now), place=f"change-{run.id}-{serial}-")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Apply",
            key=f"apply-{run.id}",
            type="primary",
            disabled=not differs,
            on_click=_apply,
            args=(context, run, values_of(now, now.changed(wanted)) if wanted else {}),
            help="Changes this run from its next step on. What it has trained so far stays.",
        )
        st.html(chips(differs, "Set a knob to another value."), width="stretch")


def _check(now: RunConfig, wanted: Mapping[str, Any]) -> None:
    if diff(now, now.changed(wanted)):
        changed_in_training(now, wanted)


@reporting_errors()
def _apply(context: PageContext, run: Run, values: Mapping[str, Any]) -> None:
    request_change(context.store, get_settings(), run.id, values, by=context.owner)
    when = "with its next epoch" if waits_for_epoch(values) else "before its next step"
    st.toast(f"The run changes {when}.", icon=":material/tune:")
