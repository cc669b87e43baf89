"""Questions on a page: predictions before the runs, checkpoints after them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.widgets.lessons.learner import Learner
from pages.widgets.lessons.sketch import sketch
from pages.widgets.lessons.training import STEP as RUN_STEP
from pages.widgets.lessons.training import arms_of, draw_live, runs_of
from pages.widgets.markup import quiet
from pages.widgets.text import escape_html
from trainer.lessons.progress import answer_item
from trainer.lessons.questions import Draw, Question, Read, is_drawn
from trainer.lessons.readings import COLUMNS, FIGURES


def prediction_step(learner: Learner) -> None:
    """Draws the predictions. Once the runs are there, they can only be looked at."""
    locked = learner.progress.comparison is not None
    answers = learner.progress.answers("prediction")
    if locked:
        st.html(quiet("You have trained the runs, so your predictions stay as they are."))
    for number, (question, answer) in enumerate(zip(learner.lesson.predictions, answers, strict=True)):
        with st.container(border=True, key=learner.key(f"asked-{number}")):
            ask(learner, "prediction", number, question, answer, locked=locked)
    missing = answers.count(None)
    if missing:
        st.html(quiet(f"{missing} of {len(answers)} still to predict. There is no harm in being wrong."))
    else:
        learner.step_button("Now let the runs decide", RUN_STEP)


def checkpoint_step(learner: Learner) -> None:
    """Draws the questions that the visitor answers from their own curves, with the curves below."""
    arms = arms_of(learner)
    found = runs_of(learner)
    if arms is None or found is None:
        return
    setting, answers = learner.lesson.setting, learner.progress.answers("checkpoint")
    for number, (question, answer) in enumerate(zip(learner.lesson.checkpoints, answers, strict=True)):
        with st.container(border=True, key=learner.key(f"checked-{number}")):
            ask(learner, "checkpoint", number, question, answer)
            if answer is not None:
                judgment = question.judge(answer, arms, setting)
                st.html(judged(judgment.right, judgment.sentence, question.because))
    if learner.progress.is_finished:
        st.html(
            '<div class="tp-empty tp-done"><h2>Lesson finished</h2><p>You predicted, trained, and found out why.</p></div>'
        )
    draw_live(learner, {run.id: arm for arm, run in found.runs.items()}, list(found.runs.values()))


def judged(right: bool | None, sentence: str, because: str) -> str:
    """Returns HTML: whether an answer was right, what happened, and why."""
    word = {True: "Right.", False: "Not this time.", None: "See for yourself."}[right]
    mark = {True: "▲", False: "▼", None: "…"}[right]
    claim = {True: "better", False: "worse", None: "open"}[right]
    rest = f" {escape_html(because)}" if because else ""
    return (
        f'<ul class="tp-verdicts" role="status"><li class="tp-verdict tp-{claim}"><span aria-hidden="true">{mark}</span>'
        f"<p><strong>{word}</strong> {escape_html(sentence)}{rest}</p></li></ul>"
    )


def ask(
    learner: Learner, part: str, number: int, question: Question, answer: Any, *, locked: bool = False
) -> None:
    """Draws one question with the answer so far, and keeps a new one."""
    key = learner.key(f"{part}-{number + 1}")
    item = answer_item(part, number)
    if isinstance(question, Draw):
        st.markdown(f"**{question.ask}**")
        epochs = learner.lesson.configs[question.arm].epochs
        title = COLUMNS[question.draw]
        drawn = sketch(
            key, title, epochs, (question.bottom, question.top), answer, locked=locked, label=question.ask
        )
        if drawn is not None and drawn != answer and is_drawn(drawn) and not locked:
            learner.keep(item, drawn)
            st.rerun()
        return
    if isinstance(question, Read):
        percent = FIGURES[question.read].percent and learner.lesson.classifies
        st.number_input(
            f"**{question.ask}**" + (" (in percent)" if percent else ""),
            value=answer,
            step=0.01,
            format="%g",
            key=key,
            placeholder="Your answer",
            on_change=lambda: _keep(learner, item, key),
            help="Read it from your own curves below.",
            width=480,
        )
        return
    options = question.options(learner.lesson.setting)
    st.radio(
        f"**{question.ask}**",
        options,
        index=options.index(answer) if answer in options else None,
        key=key,
        disabled=locked,
        on_change=lambda: _keep(learner, item, key),
    )


def _keep(learner: Learner, item: str, key: str) -> None:
    value = st.session_state[key]
    if value is not None:
        learner.keep(item, value)
