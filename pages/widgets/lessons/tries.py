"""Now you: knobs that open one at a time, runs of one's own, and a goal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from pages.widgets.history import config_of
from pages.widgets.knob_form import knob_form
from pages.widgets.launch import start_once
from pages.widgets.lessons.learner import Learner
from pages.widgets.lessons.training import (
    LessonRuns,
    arms_of,
    draw_live,
    has_result,
    runs_of,
    trained_of,
)
from pages.widgets.markup import chips, quiet, table
from pages.widgets.run_polling import poll_states, reporting_errors
from pages.widgets.text import escape_html
from trainer.config import RunConfig, diff, label_of, plain_knobs
from trainer.lessons.claims import Arms
from trainer.lessons.progress import MAX_TRIES, try_item
from trainer.lessons.readings import label_of as figure_label
from trainer.lessons.readings import written
from trainer.registry import Knob, families, is_used
from trainer.store import Run, StoreError


def now_you_step(learner: Learner) -> None:
    """Draws the goal, the open knobs, and the tries so far."""
    arms, found = arms_of(learner), runs_of(learner)
    if arms is None or found is None:
        return
    lesson = learner.lesson
    st.markdown(lesson.sections["Now you"])
    goal = lesson.now_you.goal
    st.html(f'<p class="tp-message tp-information"><strong>Goal.</strong> {escape_html(goal.text)}</p>')
    tries = _tries(learner)
    if any(_reached(learner, run, arms) for run in tries):
        st.html(
            '<p class="tp-message tp-reached" role="status"><strong>Goal reached.</strong> Try on, or go to the questions.</p>'
        )
    _form(learner, found, tries)
    start = found.runs[lesson.now_you.start]
    shown = [start, *tries[-5:]]
    if tries:
        poll_states(learner.context, shown)
        st.html(table(*_table(learner, start, tries, arms)))
    labels = {start.id: lesson.now_you.start}
    labels |= {run.id: f"Try {number}" for number, run in enumerate(tries, 1)}
    draw_live(learner, labels, shown)


def _tries(learner: Learner) -> list[Run]:
    """Returns the runs of the tries that are still there, oldest first."""
    found = []
    for run_id in learner.progress.tries:
        try:
            found.append(learner.context.store.run(run_id))
        except StoreError:  # deleted
            continue
    return found


def _reached(learner: Learner, run: Run, arms: Arms) -> bool:
    config = config_of(run)
    if config is None or not has_result(run):
        return False
    return learner.lesson.now_you.goal.is_reached(trained_of(learner.context.store, run), config, arms)


def _form(learner: Learner, found: LessonRuns, tries: Sequence[Run]) -> None:
    """Draws the knobs that are open, those that are still closed, and the button that trains."""
    lesson, count = learner.lesson, len(learner.progress.tries)
    start = lesson.start.changed({"seed": found.seed})
    open_keys = lesson.knobs_open(count)
    closed = [label_of(key, start) for key in lesson.now_you.knobs[len(open_keys) :]]
    with st.container(border=True, key=learner.key("knobs")):
        wanted, changes = knob_form(
            start, lambda config: _knobs(open_keys, config), lambda _: None, learner.key("try-")
        )
        if closed:
            st.html(quiet(f"Each try opens one more: {', '.join(closed)}."))
        under_way = any(not run.is_over for run in tries)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button(
                f"Train try {count + 1}",
                key=learner.key("try"),
                type="primary",
                icon=":material/play_arrow:",
                disabled=not changes or under_way or count >= MAX_TRIES,
                on_click=_try,
                args=(learner, start.changed(wanted or {}), count),
                help="Train a twin of the run that you begin from, with these knobs and the same seed.",
            )
            st.html(chips(changes, _why_not(under_way, count)), width="stretch")


def _why_not(under_way: bool, count: int) -> str:
    if under_way:
        return "Wait for this try to end."
    if count >= MAX_TRIES:
        return f"These were {MAX_TRIES} tries, the most that a lesson keeps. Go on, or start the lesson over."
    return "Change a knob to try it."


def _knobs(keys: Sequence[str], config: RunConfig) -> Mapping[str, Knob | None]:
    """Returns the controls of these keys; the choice of a technique brings its knobs along."""
    shown: dict[str, Knob | None] = {}
    for key in keys:
        family, _, inner = key.partition(".")
        if key in plain_knobs():
            shown[key] = plain_knobs()[key]
        elif inner:
            shown[key] = config.technique(family).knobs[inner]
        else:
            own = config.technique(family).knobs
            only = len(families()[family].techniques) == 1
            shown |= {} if only else {key: None}
            shown |= {f"{key}.{name}": knob for name, knob in own.items() if is_used(knob, config.model.name)}
    return shown


@reporting_errors()
def _try(learner: Learner, config: RunConfig, number: int) -> None:
    """Queues a try. A double click trains it once."""
    context, lesson = learner.context, learner.lesson
    run = start_once(
        ("try", lesson.name, number, config),
        lambda: context.store.create_run(config, context.owner, f"{lesson.title}: try {number + 1}"),
    )
    learner.keep(try_item(number), run)


def _table(
    learner: Learner, start: Run, tries: Sequence[Run], arms: Arms
) -> tuple[list[str], list[list[str]]]:
    """Returns what each try changed and reached, newest first, and the run that it began from."""
    lesson, goal = learner.lesson, learner.lesson.now_you.goal
    name = figure_label(goal.reading, classifies=lesson.classifies)
    bounds = goal.bounds(arms)
    wanted = (
        f"at least {written(goal.reading, bounds.at_least, classifies=lesson.classifies)}"
        if bounds.at_least is not None
        else f"at most {written(goal.reading, bounds.at_most or 0.0, classifies=lesson.classifies)}"
    )
    rows = []
    for number, run in reversed(list(enumerate([start, *tries]))):
        config = config_of(run)
        changed = "; ".join(map(str, diff(lesson.start, config))) if config else ""
        changed = "; ".join(part for part in changed.split("; ") if not part.startswith("Seed ")) or "–"
        if has_result(run):
            value = written(
                goal.reading,
                goal.value(trained_of(learner.context.store, run)),
                classifies=lesson.classifies,
            )
        else:
            value = run.status.value
        missed = list(goal.missed(config)) if config else []
        reached = (
            "yes" if _reached(learner, run, arms) else f"no: needs {', '.join(missed)}" if missed else "no"
        )
        rows.append(
            [
                f"Try {number}" if number else lesson.now_you.start,
                changed,
                value,
                reached if has_result(run) else "–",
            ]
        )
    return ["", "Changed", f"{name[0].upper()}{name[1:]}", f"Goal ({wanted})"], rows
