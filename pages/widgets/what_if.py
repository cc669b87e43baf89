"""The form that asks a question: the sidebar's knobs as baseline, what to change of them, and with how many seeds.

A run's link "What if …" leads here with the run in the address (`?baseline=7`): its knobs become the baseline. That of a
finding adds its name (`&fix=dead_relu`): the sidebar then has the knobs that its fix changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import streamlit as st

from pages.widgets import link_notices
from pages.widgets.controls import show_problem
from pages.widgets.diagnosis_cache import diagnosis_of
from pages.widgets.history import config_of
from pages.widgets.inspection import inspect
from pages.widgets.knobs import load_config
from pages.widgets.launch import start_once
from pages.widgets.linked_comparison import link_to_comparison
from pages.widgets.markup import chips, quiet
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from pages.widgets.space_limits import space_left
from pages.widgets.text import shorten
from trainer.comparison.analysis import start
from trainer.comparison.design import DATA_KNOBS, MAX_SEEDS, VARIED, Design
from trainer.comparison.factors import LAYOUTS, Layout, by_family, combined_design, title_of
from trainer.comparison.measures import measure_of
from trainer.comparison.readings import READINGS
from trainer.config import ConfigError, RunConfig, diff, display_value, entry_of, label_of
from trainer.describe.run_set import knob_of
from trainer.diagnosis import Finding
from trainer.lifecycle.states import JobState
from trainer.preflight.duration import duration_question, duration_sentence
from trainer.processes.mates import planned_share
from trainer.registry import families
from trainer.settings import get_settings
from trainer.spaces.limits import new_runs
from trainer.store import Run

PARAMETER: Final = "baseline"
FIX: Final = "fix"
PINNED: Final = "what-if-pinned"
MAX_VALUES: Final = 8


def what_if(context: PageContext) -> None:
    """Draws the form."""
    _take_up(context)
    sidebar = context.knobs.config
    with st.container(border=True, key="what-if", gap="small"):
        st.html('<h2 class="tp-title">What if …</h2>')
        if sidebar is None:
            st.html(quiet("A knob in the sidebar is not valid; fix it there first."))
            return
        baseline = st.session_state.get(PINNED, sidebar)
        st.html(chips(diff(RunConfig(), baseline), "The baseline has all knobs at their defaults."))
        design = None
        try:
            changed, layout = _changed_in_sidebar(baseline, sidebar)
            if changed := changed or _tried_values(baseline):
                design = _options(baseline, changed, layout)
                _duration(context, design)
        except ConfigError as error:
            show_problem(str(error))
        if design:
            space_left(context, new_runs(design.runs))
        with st.container(horizontal=True, gap="small"):
            st.button(
                f"Compare: {design.runs} runs" if design else "Compare",
                key="what-if-start",
                type="primary",
                icon=":material/compare_arrows:",
                disabled=design is None,
                on_click=_start,
                args=(context, design),
                help="Trains every arm with the same seeds, and says which is better.",
            )
            _pin_button(sidebar)


def _pin_button(sidebar: RunConfig) -> None:
    if PINNED in st.session_state:
        st.button(
            "Unpin the baseline",
            key="what-if-unpin",
            icon=":material/keep_off:",
            on_click=st.session_state.pop,
            args=(PINNED, None),
            help="Takes the sidebar's knobs as the baseline again.",
        )
    else:
        st.button(
            "Pin as baseline",
            key="what-if-pin",
            icon=":material/keep:",
            on_click=st.session_state.__setitem__,
            args=(PINNED, sidebar),
            help="Keeps the sidebar's knobs as the baseline; then change any of them in the sidebar.",
        )


def what_if_link(context: PageContext, run: Run) -> None:
    """Draws the link that makes a run's knobs the baseline. Draws nothing where they cannot be read."""
    if config_of(run) is not None:
        st.page_link(
            context.comparisons_page,
            label="What if …",
            icon=":material/science:",
            query_params={PARAMETER: str(run.id)},
            help="Change one or several of this run's knobs, and see what that does.",
        )


def fix_link(context: PageContext, run: Run, finding: Finding) -> None:
    """Draws the link that asks what a finding's fix does, over several seeds."""
    st.page_link(
        context.comparisons_page,
        label="Compare over seeds",
        icon=":material/compare_arrows:",
        query_params={PARAMETER: str(run.id), FIX: finding.name},
        help="A twin may be lucky. Compares this run's knobs with and without the fix, each with the same few seeds.",
    )


def _take_up(context: PageContext) -> None:
    """Pins the knobs of the run that the address names, and loads them into the sidebar, with the fix that it names."""
    named, fix = (st.query_params.get(key) for key in (PARAMETER, FIX))
    if named is None:
        return
    run = next((one for one in context.runs(archived=None) if str(one.id) == named), None)
    config = config_of(run) if run else None
    if run is None or config is None:
        link_notices.note([f"Run {shorten(named, 40)} is not among yours, or its knobs cannot be read."])
    else:
        judged = diagnosis_of(context.store, run)
        found = next((one for one in judged.findings if one.name == fix), None) if fix else None
        config = judged.config if found and judged.config else config
        st.session_state[PINNED] = config
        load_config(config.changed(found.fix) if found else config)
        if fix and not found:
            link_notices.note([f"The diagnosis finds no {shorten(fix, 40)} in this run."])
    for key in (FIX, PARAMETER):  # the baseline last: a script stopped before repeats this
        st.query_params.pop(key, None)
    st.rerun()


def _changed_in_sidebar(baseline: RunConfig, sidebar: RunConfig) -> tuple[list[RunConfig], Layout]:
    """What the sidebar changes of the pinned baseline, and how several changes are combined; nothing where it changes none."""
    changes = [one for one in diff(baseline, sidebar) if one.key != "seed"]
    if not changes:
        if PINNED in st.session_state:
            st.html(quiet("This baseline is pinned. Change knobs in the sidebar, or choose one here."))
        return [], "alone"
    st.html(quiet("The sidebar's knobs differ from it in:") + chips(changes))
    if len({entry_of(one.key) for one in changes}) < 2:
        return [sidebar], "alone"
    layout: Layout | None = st.selectbox(
        "Arms",
        [None, *LAYOUTS],
        key="what-if-layout",
        format_func=lambda one: LAYOUTS[one].capitalize() if one else "All at once",
        help="How the changes become arms. Every combination shows what each technique does on average and what two do together; "
        "a fraction of them does so with far fewer runs, but cannot tell some pairs apart.",
        width=320,
    )
    # A change may fit the others and not stand alone: it is tried alone only where that is asked for.
    return (by_family(baseline, sidebar), layout) if layout else ([sidebar], "alone")


def _tried_values(baseline: RunConfig) -> list[RunConfig]:
    """The baseline with each value that is chosen for a knob."""
    keys = [key for key in baseline.flat() if key.partition(".")[0] not in ("seed", *DATA_KNOBS)]
    left, right = st.columns([2, 3], vertical_alignment="top")
    with left:
        key = st.selectbox(
            "Knob to change",
            keys,
            index=None,
            key="what-if-knob",
            format_func=lambda one: label_of(one, baseline),
            placeholder="Choose a knob",
        )
    if key is None:
        with right:
            st.html(
                quiet(
                    "Choose a knob and one or more values for it. Each value becomes an arm beside the baseline."
                )
            )
        return []
    with right:
        configs = [baseline.changed({key: value}) for value in _values(key, baseline)]
    return [config for number, config in enumerate(configs) if config not in (baseline, *configs[:number])]


def _values(key: str, baseline: RunConfig) -> list[Any]:
    """The values to try, of the knob's own kind. Raises ConfigError for a text that is none."""
    now = baseline.flat()[key]
    shown: Callable[[Any], str] = lambda value: display_value(key, value)  # noqa: E731
    knob = knob_of(key, baseline)
    if knob is None:  # the choice of a technique
        others = [one for one in families()[key].techniques if one != now]
        return st.multiselect(
            "Values to try", others, default=others[:1], key=f"what-if-{key}", format_func=shown
        )
    if knob.kind == "bool":
        return [not now]
    if knob.kind == "choice":
        others = [one for one in knob.choices if one != now]
        return st.multiselect(
            "Values to try", others, default=others[:1], key=f"what-if-{key}", format_func=shown
        )
    text = st.text_input(
        "Values to try",
        key=f"what-if-{key}",
        placeholder="One or more, separated by commas" if knob.kind != "text" else "One value",
        help=f"The baseline uses {shown(now)}. {knob.help}"
        + (f" Allowed: {knob.bounds}." if knob.bounds else ""),
        max_chars=200,
    ).strip()
    parts = [text] if knob.kind == "text" else [part.strip() for part in text.split(",")]
    parts = [part for part in parts if part]
    if len(parts) > MAX_VALUES:
        raise ConfigError(
            f"{len(parts)} values are too many for one comparison; try at most {MAX_VALUES} at once."
        )
    return parts


def _options(baseline: RunConfig, changed: Sequence[RunConfig], layout: Layout) -> Design:
    """Draws how many seeds, what they vary, what is compared and the margin, and returns the design."""
    probe = combined_design(baseline, changed, layout, None)
    wanted = len(probe.seeds)
    with st.container(horizontal=True, gap="small", vertical_alignment="top"):
        seeds = st.number_input(
            "Seeds",
            1,
            MAX_SEEDS,
            wanted,
            key=f"what-if-seeds-{wanted}",
            help=f"Runs of each arm. {wanted} can show a large effect; you can add more later without spoiling the verdict.",
            width=140,
        )
        vary = st.selectbox(
            "Vary",
            list(VARIED),
            key="what-if-vary",
            format_func=lambda one: VARIED[one].capitalize(),
            help="What differs between the runs of an arm. With the initial weights alone, say, differences are seen sooner, but "
            "the verdict holds for one split.",
            width=180,
        )
        measure = st.selectbox(
            "Compare by",
            list(READINGS),
            key="what-if-measure",
            format_func=lambda one: measure_of(probe.model_copy(update={"measure": one})).label.capitalize(),
            help="The best epoch is the one with the lowest validation loss. The test part is evaluated once, at the end.",
            width=280,
        )
        margin = st.number_input(
            "Margin",
            0.0,
            None,
            0.0,
            format="%.4g",
            key="what-if-margin",
            help="The largest difference that does not matter to you. With one, a verdict can also be “no difference”.",
            width=140,
        )
    return combined_design(baseline, changed, layout, int(seeds), vary=vary, measure=measure, margin=margin)


def _duration(context: PageContext, design: Design) -> None:
    """Draws how long the runs will take, as soon as the trainer has measured it."""
    workers = get_settings().max_workers
    question = duration_question([arm.config for arm in design.arms], planned_share(design, workers))
    inspection = inspect(context.store, "duration", question)
    if inspection.status is JobState.FINISHED:
        st.html(quiet(duration_sentence(inspection.answer, design.runs, workers)))


@reporting_errors()
def _start(context: PageContext, design: Design) -> None:
    """Queues the runs and opens the comparison. A double click starts it once."""
    comparison_id = start_once(design, lambda: start(context.store, design, context.owner, title_of(design)))
    link_to_comparison(comparison_id)
