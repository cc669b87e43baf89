"""Several configurations side by side: what differs, in which words, and a line for each run through it."""

import pytest

from pages.widgets.knob_lines import Axis, axes_of, lines_figure
from trainer.config import RunConfig
from trainer.describe.run_set import alike_in_data, differing_knobs, groups_of, knob_columns, knob_label

BASE = RunConfig.from_flat({"data": "two_moons"})


def changed(**knobs):
    return BASE.changed({key.replace("__", "."): value for key, value in knobs.items()})


def test_runs_that_are_alike_differ_in_nothing():
    assert differing_knobs([BASE, BASE, BASE]) == []


def test_only_what_differs_is_listed_and_the_most_important_first():
    configs = [changed(seed=3), changed(seed=4, learning_rate=0.1), changed(seed=3, normalization="batch")]
    assert differing_knobs(configs) == ["normalization", "learning_rate", "seed"]


def test_the_knobs_of_a_technique_that_only_some_have_count_where_they_are_no_defaults():
    assert differing_knobs([BASE, changed(schedule="cosine")]) == ["schedule"]
    configs = [BASE, changed(schedule="cosine", schedule__final_lr=1e-5)]
    assert differing_knobs(configs) == ["schedule", "schedule.final_lr"]
    assert knob_columns(configs, ["schedule.final_lr"]) == {"Scheduler · Final rate": [None, 1e-5]}


def test_columns_have_labels_units_and_words():
    configs = [BASE, changed(normalization="batch", batch_size=64, health=False)]
    assert knob_columns(configs, ["normalization", "batch_size", "health"]) == {
        "Normalization": ["None", "Batch norm"],
        "Batch size (samples)": [32, 64],
        "Record health": ["on", "off"],
    }


def test_an_axis_is_logarithmic_where_its_knob_is_and_words_stay_text():
    layers = {0.1: "8", 0.01: "16-8", 0.001: "8"}
    configs = [changed(learning_rate=rate, model__layers=words) for rate, words in layers.items()]
    rate, words, loss = axes_of(configs, [0.5, 0.25, 0.125], ["learning_rate", "model.layers"])
    assert rate.places == pytest.approx([1, 0.5, 0])
    assert set(rate.ticks.values()) == {"0.1", "0.01", "0.001"}
    assert (words.places, words.ticks) == ([0, 1, 0], {0: "8", 1: "16-8"})
    assert loss.places == pytest.approx([1, 0.5, 0])


def test_zero_has_a_place_and_many_values_few_ticks():
    configs = [changed(dropout__rate=number / 100) for number in range(60)]
    (rate, _) = axes_of(configs, [float(number) for number in range(60)], ["dropout.rate"])
    assert (rate.places[0], rate.places[-1]) == (0, 1)
    assert {"0", "0.59"} <= set(rate.ticks.values())
    assert len(rate.ticks) == 8


def test_names_make_no_markup():
    own = [
        RunConfig.from_flat({"data": "csv", "data.file": "a" * 64, "data.target": target})
        for target in ("<b>price</b>", "rooms")
    ]
    (target, _) = axes_of(own, [1.0, 2.0], ["data.target"])
    assert target.ticks[0] == "&lt;b&gt;price&lt;/b&gt;"


def test_every_run_is_a_line_through_all_axes_the_best_above():
    axes = [Axis("rate", [0.0, 0.5, 1.0], {}), Axis("loss", [1.0, 0.0, 0.5], {})]
    figure = lines_figure(axes)
    drawn = [tuple(trace.y) for trace in figure.data if trace.y]
    assert drawn == [(0.0, 1.0, None), (1.0, 0.5, None), (0.5, 0.0, None)]
    assert [trace.opacity for trace in figure.data if trace.y] == sorted(
        trace.opacity for trace in figure.data if trace.y
    )


def test_runs_are_grouped_by_a_knobs_value_and_those_without_it_come_last():
    configs = [
        changed(dropout__rate=0.5),
        BASE,
        changed(dropout__rate=0.1, seed=7),
        changed(dropout__rate=0.5),
    ]
    assert groups_of(configs, "dropout.rate") == {"0": [1], "0.1": [2], "0.5": [0, 3]}
    schedules = [BASE, changed(schedule="cosine", schedule__final_lr=1e-5), changed(schedule="cosine")]
    assert groups_of(schedules, "schedule") == {"Constant": [0], "Cosine annealing": [1, 2]}
    assert list(groups_of(schedules, "schedule.final_lr")) == ["0", "1e-05", "without it"]
    assert knob_label("batch_size", configs) == "Batch size (samples)"


def test_only_the_data_that_most_runs_have_is_drawn():
    assert alike_in_data([RunConfig(), BASE, changed(seed=1)]) == [1, 2]
