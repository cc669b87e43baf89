"""One search: where it stands, the best so far, what mattered, and all trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from pages.widgets.comparison_about import comparison_about, comparison_heading
from pages.widgets.knobs import load_config
from pages.widgets.launch import start_once
from pages.widgets.linked_comparison import link_to_comparison
from pages.widgets.markup import chips, facts_list, problem, quiet, waiting
from pages.widgets.other_spaces import other_spaces
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from pages.widgets.search.charts import draw_charts
from pages.widgets.search.form import LABELS
from pages.widgets.text import escape_html
from trainer.comparison.search.analysis import Found, Trial, confirm, read_search, run_more
from trainer.comparison.verdicts import amount
from trainer.config import RunConfig, diff, display_value
from trainer.formatting import format_duration
from trainer.lazy import lazy
from trainer.lifecycle.states import SearchState
from trainer.spaces.limits import new_runs

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

USUAL_MORE: Final = 10
FULL: Final = "It has as many trials as a search can have."
INTERVAL: Final = 1.5
"""Seconds between two polls of a search that is under way."""


def search_view(context: PageContext, search_id: int) -> None:
    """Draws the search, and follows it for as long as it is under way."""
    found = read_search(context.store, search_id)
    comparison_heading(found.comparison)
    may_change = context.refusal(found.comparison, "comparison") is None
    following = found.state is SearchState.RUNNING or bool(found.under_way)

    def follow() -> None:
        now = read_search(context.store, search_id)
        if now.state is not found.state:  # only a rerun of the page starts and ends the polling
            st.rerun(scope="app")
        _progress(context, now)
        if may_change:
            _actions(context, now)
        _best(context, now)
        draw_charts(now)
        _table(now)

    st.fragment(follow, run_every=INTERVAL if following else None)()
    _about_the_search(found)
    if may_change:
        comparison_about(context, found.comparison)
    elif found.comparison.notes:
        st.text(found.comparison.notes)
    other_spaces(context, found.comparison)


def _progress(context: PageContext, found: Found) -> None:
    over = len(found.trials) - len(found.under_way)
    if found.state is SearchState.RUNNING:
        left = f", about {format_duration(found.seconds_left)} left" if found.seconds_left else ""
        st.progress(over / found.design.trials, text=f"{found.in_words}{left}")
        if not found.under_way:
            full = context.store.usage(context.owner).problem(new_runs())
            if full and found.comparison.owner == context.owner:
                st.html(waiting(f"The next trial waits. {full}"))
            elif not found.trials:
                st.html(waiting("Starting…"))
    else:
        said = "Stopped. " if found.state is SearchState.STOPPED else ""
        if found.time_is_over:
            said = f"Its time of {format_duration(60 * (found.design.minutes or 0))} is over. "
        st.html(quiet(f"{said}{found.in_words}."))
    if found.comparison.error:
        st.html(problem(found.comparison.error))


def _actions(context: PageContext, found: Found) -> None:
    search_id, store = found.comparison.id, context.store
    if found.state is SearchState.RUNNING:
        st.button(
            "Stop",
            icon=":material/stop:",
            key=f"search-{search_id}-stop",
            on_click=reporting_errors()(lambda: store.stop_search(search_id, by=context.owner)),
            help="Begins no further trial, and pauses those that train after their current step. Nothing is lost.",
        )
    elif found.state is not SearchState.FINISHED:
        st.button(
            "Continue",
            icon=":material/play_arrow:",
            key=f"search-{search_id}-continue",
            on_click=reporting_errors()(lambda: store.continue_search(search_id, by=context.owner)),
            help="Goes on where the search stood.",
        )
    if found.state in (SearchState.STOPPED, SearchState.FINISHED):
        _more_trials(context, found)


def _more_trials(context: PageContext, found: Found) -> None:
    """Draws how many more trials to run, and the button."""
    search_id, most = found.comparison.id, found.most_more
    if most < 1:
        st.html(quiet("It has visited every combination." if found.design.sampler == "grid" else FULL))
        return
    key = f"search-{search_id}-more-trials"
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        more = st.number_input("More trials", 1, most, min(USUAL_MORE, most), key=key, width=140)
        st.button(
            f"Run {more} more {'trial' if more == 1 else 'trials'}",
            icon=":material/add:",
            key=f"search-{search_id}-more",
            on_click=reporting_errors()(
                lambda: run_more(context.store, found, int(st.session_state[key]), by=context.owner)
            ),
            help="Goes on with the search: the sampler knows the trials before. Without a limit in minutes.",
        )


def _best(context: PageContext, found: Found) -> None:
    """Draws the winner so far, and what can be done with it."""
    best = found.best
    if best is None or best.value is None or best.config is None:
        return
    with st.container(border=True, key="search-best", gap="small"):
        st.html(
            f'<h2 class="tp-title">Best: trial {best.number + 1}, {escape_html(found.measure.label)} '
            f"{escape_html(amount(best.value, found.measure))}</h2>"
        )
        st.html(chips(diff(found.design.base, best.config), "It has the knobs of the baseline."))
        confirmation = found.confirmation
        with st.container(horizontal=True, gap="small"):
            # Not by callbacks: after those, a fragment reruns alone, without the sidebar and the page's address.
            if st.button(
                "Take these knobs",
                key="search-take",
                icon=":material/tune:",
                help="Sets the sidebar's knobs to those of this trial.",
            ):
                load_config(best.config)
                st.rerun(scope="app")
            if st.button(
                "Compare the winner with the baseline",
                key="search-confirm",
                icon=":material/compare_arrows:",
                type="primary" if found.state is SearchState.FINISHED else "secondary",
                disabled=confirmation is None,
                help="Trains both with seeds that the search has not used, and says which is better."
                if confirmation
                else "The best trial has the knobs of the baseline.",
            ):
                _confirm(context, found)
                st.rerun(scope="app")
        if confirmation:
            st.html(
                quiet(
                    f"{found.luck} Comparing both over {len(confirmation.seeds)} fresh seeds shows what remains of it."
                )
            )


@reporting_errors()
def _confirm(context: PageContext, found: Found) -> None:
    """Starts the comparison and opens it. A double click starts it once."""
    comparison_id = start_once(
        ("confirm", found.comparison.id), lambda: confirm(context.store, found, context.owner)
    )
    link_to_comparison(comparison_id)


def _table(found: Found) -> None:
    if not found.trials:
        return
    st.html('<h2 class="tp-title">Trials</h2>')
    rows = trials_table(found)
    short = {
        name: st.column_config.NumberColumn(format="%.3g") for name in rows.select_dtypes("float").columns
    }
    st.dataframe(
        rows,
        key="search-trials-table",
        hide_index=True,
        placeholder="–",
        column_config=short
        | {
            found.measure.label.capitalize(): st.column_config.NumberColumn(format="%.4g"),
            "Trained": st.column_config.NumberColumn(format="%.1f s"),
            "Run": st.column_config.LinkColumn(display_text="Open", help="Opens the run in a new tab."),
        },
        alt=f"All trials: {found.in_words}.",
    )


def trials_table(found: Found) -> pd.DataFrame:
    """Returns a row for each trial: its state, what it measured, its knobs, how long it trained, and why it has no result."""
    labels = {key: found.label(key) for key in found.design.space}
    rows = [
        {
            "Trial": one.number + 1,
            "State": one.state.capitalize(),
            found.measure.label.capitalize(): one.value,
            **{label: _shown(key, one) for key, label in labels.items()},
            "Trained": ((one.run and one.run.results) or {}).get("seconds"),
            "Run": f"runs?run={one.run.id}" if one.run else None,
            "Why": one.said or None,
        }
        for one in found.trials
    ]
    frame = pd.DataFrame(rows)
    return frame if frame["Why"].notna().any() else frame.drop(columns="Why")


def _shown(key: str, trial: Trial) -> Any:
    config = trial.config
    value = config.flat().get(key) if config and key in trial.knobs else trial.knobs.get(key)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if value is None or is_number else display_value(key, value)


def _about_the_search(found: Found) -> None:
    design = found.design
    facts = {
        "Sampler": LABELS[design.sampler],
        "Pruning": LABELS[design.pruner],
        "At once": str(design.at_once),
        **({} if design.minutes is None else {"Time": f"{design.minutes:g} minutes"}),
        "Seed": str(design.base.seed),
        **{found.label(key): one.in_words(key) for key, one in design.space.items()},
    }
    with st.expander("What is searched"):
        st.html(facts_list(facts))
        st.html(chips(diff(RunConfig(), design.base), "The baseline has all knobs at their defaults."))
