"""The form that starts a search: which of the sidebar's knobs to vary, how far, and with how many trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from pages.widgets.controls import show_problem
from pages.widgets.inspection import inspect
from pages.widgets.launch import start_once
from pages.widgets.linked_comparison import link_to_comparison
from pages.widgets.markup import quiet
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from pages.widgets.space_limits import space_left
from pages.widgets.text import escape_markdown
from trainer.comparison.measures import measure_of
from trainer.comparison.search.analysis import start_search
from trainer.comparison.search.design import (
    MAX_AT_ONCE,
    MAX_MINUTES,
    MAX_TRIALS,
    MEASURES,
    PRUNERS,
    SAMPLERS,
    SearchDesign,
    make_search,
    parse_search,
)
from trainer.comparison.search.space import (
    Dimension,
    corners,
    parse_dimension,
    searched_knob,
)
from trainer.comparison.search.suggestions import searchable, suggested
from trainer.config import ConfigError, RunConfig, display_value, label_of
from trainer.lifecycle.states import JobState
from trainer.preflight.duration import duration_question, duration_sentence
from trainer.settings import get_settings
from trainer.spaces.limits import new_runs

USUAL_TRIALS = 20
LABELS = {
    "tpe": "TPE",
    "random": "Random",
    "grid": "Grid",
    "none": "None",
    "median": "Median",
    "hyperband": "Hyperband",
}


def search_form(context: PageContext) -> None:
    """Draws the form."""
    base = context.knobs.config
    with st.container(border=True, key="search", gap="small"):
        st.html(
            '<h2 class="tp-title">Search</h2>'
            + quiet(
                "Trains trial after trial, each with other values of a few knobs, and shows which are best. The other knobs are "
                "those of the sidebar."
            )
        )
        if base is None:
            st.html(quiet("A knob in the sidebar is not valid; fix it there first."))
            return
        keys = st.multiselect(
            "Knobs to vary",
            searchable(base),
            key="search-knobs",
            format_func=lambda key: label_of(key, base),
            placeholder="Choose one or more knobs",
            help="Two to five knobs are usual: each further one needs more trials.",
        )
        design = None
        try:
            if keys:
                design = _options(base, _space(base, keys))
                _duration(context, design)
        except ConfigError as error:
            show_problem(str(error))
        if design:
            space_left(context, new_runs())
        st.button(
            f"Search: {design.trials} trials" if design else "Search",
            key="search-start",
            type="primary",
            icon=":material/manage_search:",
            disabled=design is None,
            on_click=_start,
            args=(context, design),
            help="Each trial is an ordinary run. The search goes on when you close this page.",
        )


def _space(base: RunConfig, keys: Sequence[str]) -> dict[str, Dimension]:
    """Draws what each knob may be. Raises ConfigError for a text that is no range."""
    found: dict[str, Dimension] = {}
    for key in keys:
        proposed, label = suggested(key, base), escape_markdown(label_of(key, base))
        if proposed.choices:
            chosen = st.multiselect(
                label,
                proposed.choices,
                proposed.choices,
                key=f"search-{key}",
                format_func=partial(display_value, key),
                help="The values that trials may take.",
            )
            if not chosen:
                raise ConfigError(
                    f"{label_of(key, base)} has no values left to try. Choose some, or remove the knob."
                )
            found[key] = Dimension(choices=tuple(chosen))
            continue
        knob = searched_knob(key, base, {})
        bounds = f" Allowed: {knob.bounds}." if knob and knob.bounds else ""
        text = st.text_input(
            f"{label} · {knob.unit}" if knob and knob.unit else label,
            str(proposed),
            key=f"search-{key}-{proposed}",
            max_chars=200,
            help=escape_markdown(
                "From and to, such as 0.1..0.5; with “log” after it, trials spread evenly over orders of magnitude. Or single "
                f"values, separated by commas.{bounds}"
            ),
            width=320,
        )
        found[key] = parse_dimension(key, text.strip(), base, {})
    return found


def _options(base: RunConfig, space: dict[str, Dimension]) -> SearchDesign:
    """Draws how many trials, who chooses and who ends them, and returns the design."""
    at_once = min(get_settings().max_workers, MAX_AT_ONCE)
    with st.container(horizontal=True, gap="small", vertical_alignment="top"):
        sampler = st.selectbox(
            "Sampler",
            list(SAMPLERS),
            key="search-sampler",
            format_func=LABELS.__getitem__,
            help="Chooses each trial's values. " + _listed(SAMPLERS),
            width=140,
        )
        trials = st.number_input(
            "Trials",
            1,
            MAX_TRIALS,
            USUAL_TRIALS,
            key="search-trials",
            disabled=sampler == "grid",
            help="How many runs. A grid has as many as it has combinations.",
            width=140,
        )
        minutes = st.number_input(
            "Minutes",
            1,
            MAX_MINUTES,
            None,
            key="search-minutes",
            placeholder="no limit",
            help="After so many minutes no further trial begins; those that train end as usual. The time while the search is "
            "stopped does not count.",
            width=140,
        )
        together = st.number_input(
            "At once",
            1,
            MAX_AT_ONCE,
            at_once,
            key="search-at-once",
            help="How many train at the same time. The sampler learns more where fewer do.",
            width=140,
        )
        pruner = st.selectbox(
            "Pruning",
            list(PRUNERS),
            key="search-pruner",
            format_func=LABELS.__getitem__,
            help="Ends hopeless trials early, by their validation so far. " + _listed(PRUNERS),
            width=140,
        )
        probe = parse_search({"base": base, "space": space})
        measure = st.selectbox(
            "Search by",
            list(MEASURES),
            key="search-measure",
            format_func=lambda one: measure_of(
                probe.model_copy(update={"measure": one}).compared
            ).label.capitalize(),
            help="What the best trial is best in. The test part is not looked at.",
            width=280,
        )
    return make_search(
        base=base,
        space=space,
        sampler=sampler,
        pruner=pruner,
        trials=int(trials),
        at_once=int(together),
        measure=measure,
        minutes=minutes,
    )


def _listed(choices: Mapping[str, str]) -> str:
    return " ".join(f"{LABELS[name]}: {words}." for name, words in choices.items())


def _duration(context: PageContext, design: SearchDesign) -> None:
    """Draws how long the trials will take, as soon as the trainer has measured it."""
    inspection = inspect(
        context.store, "duration", duration_question(corners(design.space, design.base)), "search-"
    )
    if inspection.status is JobState.FINISHED:
        workers = min(design.at_once, get_settings().max_workers)
        st.html(quiet(duration_sentence(inspection.answer, design.trials, workers)))


@reporting_errors()
def _start(context: PageContext, design: SearchDesign) -> None:
    """Begins the search and opens it. A double click begins it once."""
    search_id = start_once(design, lambda: start_search(context.store, design, context.owner))
    link_to_comparison(search_id)
