"""What became of the predictions: each beside what the runs did."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pages.widgets.layer_chart import theme_colors
from pages.widgets.lessons.asking import judged
from pages.widgets.lessons.learner import Learner
from pages.widgets.lessons.training import arms_of
from pages.widgets.markup import quiet
from pages.widgets.text import escape_html
from trainer.lessons.claims import Arms
from trainer.lessons.questions import POINTS, Draw
from trainer.lessons.readings import COLUMNS

MOST = 1.6  # times the highest value of the drawing: what goes beyond is cut off


def reveal_step(learner: Learner) -> None:
    """Draws each prediction beside what happened, and what the lesson promised."""
    arms = arms_of(learner)
    if arms is None:
        return
    lesson = learner.lesson
    answers = learner.progress.answers("prediction")
    for number, (question, answer) in enumerate(zip(lesson.predictions, answers, strict=True)):
        with st.container(border=True, key=learner.key(f"revealed-{number}")):
            st.markdown(f"**{question.ask}**")
            if answer is None:
                st.html(quiet("You made no prediction."))
                continue
            if isinstance(question, Draw):
                st.plotly_chart(
                    _figure(question, answer, arms),
                    key=learner.key(f"reveal-{number}"),
                    config={"displayModeBar": False},
                )
            else:
                st.html(f'<p class="tp-line">You said: “{escape_html(answer)}”</p>')
            judgment = question.judge(answer, arms, lesson.setting)
            st.html(judged(judgment.right, judgment.sentence, question.because))
    _promise(learner, arms)


def _promise(learner: Learner, arms: Arms) -> None:
    """Says what the lesson promises, and where the visitor's own runs differ."""
    lesson = learner.lesson
    broken = lesson.broken(arms)
    words = [claim.words(lesson.reading, classifies=lesson.classifies) for claim in lesson.claims]
    with st.expander("What this lesson promises, measured over six seeds"):
        st.markdown("\n".join(f"- {word[0].upper()}{word[1:]}." for word in words))
    if broken:
        missed = "; ".join(claim.words(lesson.reading, classifies=lesson.classifies) for claim in broken)
        st.html(
            quiet(
                f"Your runs show otherwise in this: {missed}. That happens with a single seed. The promise holds over six; add "
                "seeds on the comparison's page to see it."
            )
        )


def _figure(question: Draw, answer: Any, arms: Arms) -> go.Figure:
    """Returns the drawn curve, dashed, over those of all arms."""
    colors = theme_colors()
    figure = go.Figure()
    for number, (name, run) in enumerate(arms.items()):
        values = run.epochs[question.draw]
        figure.add_scatter(
            x=np.arange(1, len(values) + 1),
            y=values,
            name=escape_html(name),
            mode="lines",
            line={"width": 3 if name == question.arm else 1.5, "color": colors[number % len(colors)]},
            opacity=1 if name == question.arm else 0.55,
        )
    epochs = len(arms[question.arm].epochs[question.draw])
    figure.add_scatter(
        x=np.linspace(1, max(epochs, 1), POINTS),
        y=np.array(answer, float),
        name="Your drawing",
        mode="lines",
        line={"width": 3, "dash": "dash", "color": "#8a94a0"},
    )
    figure.update_xaxes(title="Epoch")
    figure.update_yaxes(title=COLUMNS[question.draw], range=[question.bottom, _top(question, arms)])
    figure.update_layout(
        height=400,
        margin={"l": 55, "r": 10, "t": 10, "b": 10},
        # Below the axis: on a phone its entries stand under one another.
        legend={"orientation": "h", "y": -0.22, "yanchor": "top"},
    )
    return figure


def _top(question: Draw, arms: Arms) -> float:
    """Returns where the axis ends: high enough for the arm that was asked about."""
    values = arms[question.arm].epochs[question.draw]
    finite = values[np.isfinite(values)]
    highest = float(finite.max()) if len(finite) else question.top
    return max(question.top, min(highest * 1.05, question.top * MOST))
