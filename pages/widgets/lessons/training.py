"""The runs of a lesson: started by the visitor's press, watched live, and read once they have ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pages.live.tokens import page_token
from pages.widgets.health_panel import boundary_of
from pages.widgets.history import config_of
from pages.widgets.launch import start_once
from pages.widgets.lessons.learner import Learner
from pages.widgets.live_chart import Score, ShownRun, live_panel
from pages.widgets.markup import facts_list, information, quiet, warning
from pages.widgets.run_polling import poll_states, reporting_errors
from trainer.comparison.analysis import design_of, start
from trainer.comparison.design import Design, arm_name
from trainer.comparison.measures import DIVERGED
from trainer.lessons.lesson import Lesson
from trainer.lessons.progress import COMPARISON
from trainer.lessons.readings import Trained
from trainer.lifecycle.states import RunState
from trainer.settings import get_settings
from trainer.store import Run, Store, StoreError

STEP = 3
PREDICT = 2
CHARTS = ("loss", "metric", "lr", "grad_norm")
"""What a lesson looks at. The other charts are on the Train page."""


@dataclass(frozen=True)
class LessonRuns:
    """The comparison of a lesson: its design, and each arm's run."""

    design: Design
    runs: Mapping[str, Run]

    @property
    def seed(self) -> int:
        """The seed that all arms share."""
        return self.design.seeds[0]

    @property
    def under_way(self) -> bool:
        """Whether one is still to end."""
        return any(not run.is_over for run in self.runs.values())

    @property
    def unusable(self) -> list[str]:
        """The arms whose runs have ended without a result to look at: stopped by a person, or failed."""
        return [arm for arm, run in self.runs.items() if run.is_over and not has_result(run)]

    @property
    def are_complete(self) -> bool:
        """Whether every arm has a result."""
        return not self.under_way and not self.unusable


def has_result(run: Run) -> bool:
    """Whether a run has finished, or diverged, which is a result as well."""
    if run.results is None:
        return False
    return run.status is RunState.FINISHED or run.results.get("stopped_by") == DIVERGED


def runs_of(learner: Learner) -> LessonRuns | None:
    """Returns the runs that the visitor has trained; None before that, once they are deleted, and where the lesson has changed
    since."""
    store, comparison = learner.context.store, learner.progress.comparison
    if comparison is None:
        return None
    try:
        design = design_of(store.comparison(comparison))
        members = store.members(comparison)
    except StoreError:
        return None
    runs = {design.arms[one.arm].name: one.run for one in members if one.replicate == 0}
    return LessonRuns(design, runs) if list(runs) == list(learner.lesson.configs) else None


def trained_of(store: Store, run: Run) -> Trained:
    """Returns a run that has ended as lessons read it."""

    def curves(kind: str) -> dict[str, NDArray[np.float64]]:
        points = store.read_points(run.id, kind)
        return {name: points.column(name) for name in points.columns}

    return Trained(run.results or {}, curves("epoch"), curves("step"))


def arms_of(learner: Learner) -> dict[str, Trained] | None:
    """Returns each arm's run, once all have a result. None until then: a sentence and the way to the runs are drawn."""
    found = runs_of(learner)
    if found is not None and found.are_complete:
        return {arm: trained_of(learner.context.store, run) for arm, run in found.runs.items()}
    sentence = "The runs are still under way." if found and found.under_way else "Train the runs first."
    st.html(information(f"{sentence} What is here is read from your own curves."))
    learner.step_button("Go to the runs", STEP)
    return None


def run_step(learner: Learner) -> None:
    """Draws the runs, or the way to start them."""
    found = runs_of(learner)
    if found is None:
        _before(learner)
        return
    poll_states(learner.context, list(found.runs.values()))
    draw_live(learner, {run: arm for arm, run in _by_id(found.runs).items()}, list(found.runs.values()))
    if found.are_complete:
        with st.container(horizontal=True, gap="small"):
            learner.step_button("See what became of your prediction", STEP + 1)
            st.page_link(
                learner.context.comparisons_page,
                label="Open as a comparison",
                icon=":material/science:",
                query_params={"comparison": str(learner.progress.comparison)},
                help="There you can add seeds, and get a verdict.",
            )
    elif found.unusable and not found.under_way:
        names = ", ".join(f"“{name}”" for name in found.unusable)
        st.html(
            warning(f"Without a result: {names}. Runs that were stopped or failed have nothing to show here.")
        )
        _start_button(learner, "Train them again", again=True)


def _by_id(runs: Mapping[str, Run]) -> dict[str, int]:
    return {arm: run.id for arm, run in runs.items()}


def _before(learner: Learner) -> None:
    """Draws what will be trained."""
    lesson = learner.lesson
    if learner.progress.comparison is not None:
        st.html(
            quiet("The runs of this lesson were deleted, or the lesson has changed since. Train them again.")
        )
    baseline, *_ = lesson.configs.values()
    arms = {
        name: arm_name(baseline, config) if config is not baseline else "Baseline"
        for name, config in lesson.configs.items()
    }
    st.markdown(
        f"{len(arms)} runs, twins of one another: same split, same initial weights, same batches. They differ in this alone:"
    )
    st.html(facts_list(arms))
    if not learner.progress.has_predicted:
        st.html(information("Predict first: what you expect is what makes the result worth looking at."))
        learner.step_button("Make your prediction", PREDICT)
        return
    _start_button(learner, f"Train {len(arms)} runs")


def _start_button(learner: Learner, label: str, *, again: bool = False) -> None:
    st.button(
        label,
        key=learner.key("train"),
        type="primary",
        icon=":material/play_arrow:",
        on_click=_start,
        args=(learner,),
        kwargs={"again": again},
        help="Queue the runs and watch their curves appear.",
    )


@reporting_errors()
def _start(learner: Learner, *, again: bool) -> None:
    """Queues the runs. Neither a double click nor a second tab starts them twice."""
    context, lesson = learner.context, learner.lesson
    now = context.store.lesson_progress(context.owner).get(lesson.name, {}).get(COMPARISON)
    if not again and now is not None and now != learner.progress.comparison:
        return
    design = lesson.design(context.knobs.config.seed if context.knobs.config else 0)
    before = learner.progress.comparison
    comparison = start_once(
        ("lesson", lesson.name, before),
        lambda: start(context.store, design, context.owner, f"Lesson: {lesson.title}"),
    )
    learner.keep(COMPARISON, comparison)


def draw_live(learner: Learner, labels: Mapping[int, str], runs: Sequence[Run]) -> None:
    """Draws the live charts of these runs."""
    live_panel(
        [_shown(run, labels[run.id], number) for number, run in enumerate(runs)],
        page_token(get_settings().home, learner.context.owner, [run.id for run in runs]),
        score=score_of(learner.lesson),
        charts=CHARTS,
        empty="The curves appear here within a second.",
        key=learner.key("live"),
    )


def _shown(run: Run, label: str, number: int) -> ShownRun:
    return ShownRun(run.id, label, number, boundary=boundary_of(config_of(run)))


def score_of(lesson: Lesson) -> Score:
    """Returns what the chart of the metric shows."""
    return (
        Score("Accuracy", percent=True) if lesson.classifies else Score("Mean absolute error", percent=False)
    )
