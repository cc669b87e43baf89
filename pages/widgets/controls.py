"""One knob as a control: a toggle, select, text field, slider or number, with its unit, help and bounds."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from pages.widgets.markup import problem
from pages.widgets.text import escape_markdown
from trainer.config import ConfigError, check
from trainer.registry import MAX_TEXT, Knob

MAX_SLIDER_STOPS = 100


def show_problem(sentence: str) -> None:
    """Draws what is wrong, where it is wrong."""
    st.html(problem(sentence))


def draw_knob(key: str, knob: Knob, errors: list[str], place: str = "") -> Any:
    """Draws one control with label, unit, help and bounds, and under it what is wrong with its value; returns the value. In a
    `place` of its own, a control is no part of the address."""
    value = _control(key, knob, place)
    try:
        return check(key, knob, value)
    except ConfigError as error:
        errors.append(str(error))
        show_problem(str(error))
        return value


def _control(key: str, knob: Knob, place: str) -> Any:
    label = f"{knob.label} · {knob.unit}" if knob.unit else knob.label
    bounds = "" if knob.kind in ("choice", "bool", "text") or not knob.bounds else f" Allowed: {knob.bounds}."
    common: dict[str, Any] = {
        "key": place + key,
        "bind": None if place else "query-params",
        "help": escape_markdown(knob.help + bounds),
    }
    if knob.kind == "bool":
        return st.toggle(label, value=knob.default, **common)
    if knob.kind == "choice":
        return st.selectbox(
            label,
            knob.choices,
            index=knob.choices.index(knob.default),
            format_func=lambda choice: knob.labels.get(choice, choice),
            filter_mode=None,
            **common,
        )
    if knob.kind == "text":
        return st.text_input(label, value=knob.default, max_chars=MAX_TEXT, **common)
    if stops := _slider_stops(knob):
        low, high, step = stops
        return st.slider(label, low, high, knob.default, step, **common)
    return _number(label, knob, common)


def _slider_stops(knob: Knob) -> tuple[Any, Any, Any] | None:
    """Returns (lowest, highest, step) where a slider fits: bounded on both sides, in even steps that a hand can hit."""
    low = knob.ge if knob.ge is not None else knob.gt
    high = knob.le if knob.le is not None else knob.lt
    step = knob.step or (1 if knob.kind == "int" else None)
    if knob.log or low is None or high is None or step is None or (high - low) / step > MAX_SLIDER_STOPS:
        return None
    low, high = low + step * (knob.ge is None), high - step * (knob.le is None)
    kind = int if knob.kind == "int" else float
    return kind(low), kind(high), kind(step)


def _number(label: str, knob: Knob, common: dict[str, Any]) -> Any:
    kind: Any = int if knob.kind == "int" else float
    low = knob.ge if knob.ge is not None else knob.gt
    high = knob.le if knob.le is not None else knob.lt
    step = knob.step or 1
    if kind is float and (knob.log or knob.step is None):
        step = _decade_step(st.session_state.get(common["key"], knob.default))
    return st.number_input(
        label,
        min_value=None if low is None else kind(low),
        max_value=None if high is None else kind(high),
        value=None if knob.default is None else kind(knob.default),
        placeholder=None if knob.default is not None else "As the seed",
        step=kind(step),
        format="%d" if kind is int else "%g",
        **common,
    )


def _decade_step(value: float) -> float:
    """Returns a tenth to a whole of the value, so that plus and minus are useful at 1e-8 and at 10 alike."""
    if (
        not isinstance(value, int | float) or not 1e-300 < value < math.inf
    ):  # a tenth of less is not to be had
        return 0.0001
    exponent = math.floor(math.log10(value) + 1e-9)
    mantissa = value / 10**exponent
    return float(10.0 ** (exponent - 1 if mantissa < 1.5 else exponent))
