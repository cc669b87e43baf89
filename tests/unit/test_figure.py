"""The figure of a comparison: a line with a band for each arm, and the paired differences under it."""

import numpy as np
import pytest
from comparison_runs import ARMS, BASE, BATCH_NORM, begin, end_run

from trainer.comparison.analysis import analyse
from trainer.comparison.effects import read_curves
from trainer.comparison.figure import band_chart
from trainer.store import Store

COLORS = ["#0072B2", "#D55E00"]
HOSTILE = "<b>x</b><a href='https://evil.io'>y</a>" + "z" * 40


@pytest.fixture
def store(tmp_path):
    return Store(f"sqlite:///{tmp_path / 'trainscope.db'}")


def drawn(store, number, **choices):
    found = analyse(store, number)
    return band_chart(found, read_curves(store, found), COLORS, **choices)


def test_each_arm_has_its_color_a_band_and_a_difference_to_the_baseline(store):
    number = begin(store, seeds=2)
    for arm, replicate, run in store.members(number):
        end_run(store, run, 0.5, epochs=[1.0 - 0.25 * arm, 0.5 + replicate / 10])
    figure = drawn(store, number)
    named = [trace for trace in figure.data if trace.name]
    assert [(trace.name, trace.line.color) for trace in named] == [
        ("baseline", COLORS[0]),
        ("batch norm", COLORS[1]),
        ("batch norm", COLORS[1]),
    ]
    assert named[1].y.tolist() == [0.75, 0.55]
    assert named[2].y.tolist() == [-0.25, 0]
    assert named[2].yaxis == "y2"
    lines = drawn(store, number, kind="lines", log=True)
    assert len(lines.data) == len(figure.data)
    assert lines.layout.yaxis.type == "log"


def test_colors_begin_again_behind_the_last(store):
    arms = {**ARMS, "wide": BASE.changed({"model.layers": "99"})}
    number = begin(store, arms, seeds=1)
    for one in store.members(number):
        end_run(store, one.run, 0.5, epochs=[1.0])
    assert [trace.line.color for trace in drawn(store, number).data if trace.showlegend] == [
        *COLORS,
        COLORS[0],
    ]


def test_with_more_arms_than_colors_the_others_wait_in_the_legend(store):
    arms = {
        "baseline": BASE,
        **{f"{width}": BASE.changed({"model.layers": str(width)}) for width in (9, 8, 7)},
    }
    number = begin(store, arms, seeds=2)
    for one in store.members(number):
        end_run(store, one.run, 0.5, epochs=[1.0])
    figure = drawn(store, number)
    shown = {trace.name: trace.visible for trace in figure.data if trace.showlegend}
    assert shown == {"baseline": True, "9": "legendonly", "8": "legendonly", "7": True}
    assert {trace.visible for trace in figure.data if trace.legendgroup == "9"} == {"legendonly"}
    assert "Click a name" in figure.layout.legend.title.text


def test_a_name_is_text_and_short(store):
    number = begin(store, {"baseline": BASE, HOSTILE: BATCH_NORM}, seeds=1)
    for one in store.members(number):
        end_run(store, one.run, 0.5, epochs=[1.0])
    names = [trace.name for trace in drawn(store, number).data if trace.name]
    assert all("<" not in name for name in names)
    assert names[1].startswith("&lt;b&gt;x&lt;/b&gt;")
    assert names[1].endswith("…")


def test_before_the_first_epoch_there_is_nothing_to_draw(store):
    assert np.sum([len(trace.x) for trace in drawn(store, begin(store)).data]) == 0
