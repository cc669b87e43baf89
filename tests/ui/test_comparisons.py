"""The Comparisons page: ask what a change does, start a ready-made comparison, and read what came of it."""

import json

import pytest
from comparison_runs import end_all
from page_testing import VISITOR, has, text_of, widget

from trainer.comparison.analysis import start
from trainer.comparison.design import MAX_SEED, MAX_SEEDS, make_design
from trainer.comparison.noise import noise_design
from trainer.config import RunConfig
from trainer.presets import PRESETS
from trainer.store import COMMAND_LINE

BASE = RunConfig.from_flat({"data": "two_moons", "epochs": 3})
ARMS = {"baseline": BASE, "<b>batch</b> norm": BASE.changed({"normalization": "batch"})}


def open_page(lab, **query):
    app = lab.go(lab.open(**query), "experiments")
    assert not app.exception
    return app


def only_comparison(lab):
    (found,) = lab.store.comparisons([VISITOR])
    return found


def arms_of(lab):
    return {one["name"]: RunConfig.parse(one["config"]) for one in only_comparison(lab).design["arms"]}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_starts_once_and_opens_its_comparison(lab, name):
    app = widget(open_page(lab), f"start-{name}").click().run()
    found = only_comparison(lab)
    assert found.title == PRESETS[name].label
    assert arms_of(lab) == PRESETS[name].configs()
    assert app.query_params["comparison"] == str(found.id)
    assert "no seed has finished" in text_of(app)
    assert len(lab.runs()) == len(PRESETS[name].runs) * len(found.design["seeds"])


def test_every_preset_says_what_it_asks(lab):
    text = text_of(open_page(lab))
    for preset in PRESETS.values():
        assert preset.label in text
        assert preset.question in text


def test_several_changes_are_combined_as_asked(lab):
    app = widget(open_page(lab, data="two_moons", epochs="3"), "what-if-pin").click().run()
    assert not has(app, "what-if-layout")
    app = widget(app, "normalization").set_value("layer").run()
    assert not has(app, "what-if-layout")  # one change is one arm
    app = widget(app, "schedule").set_value("cosine").run()
    assert widget(app, "what-if-layout").value is None
    app = widget(app, "what-if-layout").set_value("fraction").run()
    assert "none can be left out" in text_of(app)
    assert widget(app, "what-if-start").disabled
    app = widget(app, "what-if-layout").set_value("factorial").run()
    app = widget(app, "what-if-start").click().run()
    assert not app.exception
    assert [*arms_of(lab)] == ["baseline", "Layer norm", "Cosine annealing", "all together"]
    assert only_comparison(lab).title == "Layer norm / Cosine annealing"
    assert "Layer norm × Cosine annealing" in text_of(app)


def test_what_if_one_knob_had_other_values(lab):
    app = open_page(lab, data="two_moons", seed="7")
    assert widget(app, "what-if-start").disabled
    app = widget(app, "what-if-knob").set_value("dropout.rate").run()
    app = widget(app, "what-if-dropout.rate").set_value("0.2, 0.5").run()
    app = widget(app, "what-if-start").click().run()
    assert not app.exception
    arms = arms_of(lab)
    assert [arm.flat()["dropout.rate"] for arm in arms.values()] == [0, 0.2, 0.5]
    assert {arm.data.name for arm in arms.values()} == {"two_moons"}
    assert only_comparison(lab).design["seeds"][0] == 7


def test_several_knobs_against_a_pinned_baseline(lab):
    app = widget(open_page(lab), "what-if-pin").click().run()
    assert "This baseline is pinned" in text_of(app)
    widget(app, "epochs").set_value(20)
    app = widget(app, "learning_rate").set_value(0.01).run()
    app = widget(app, "what-if-start").click().run()
    baseline, changed = arms_of(lab).values()
    assert (baseline.epochs, baseline.learning_rate) == (150, 0.001)
    assert (changed.epochs, changed.learning_rate) == (20, 0.01)


def test_what_if_of_a_run_takes_its_knobs_as_baseline(lab):
    run = lab.store.create_run(BASE.changed({"dropout.rate": 0.3}), VISITOR)
    app = open_page(lab, baseline=str(run))
    assert "baseline" not in app.query_params
    assert widget(app, "dropout.rate").value == 0.3
    app = widget(app, "what-if-knob").set_value("normalization").run()
    app = widget(app, "epochs").set_value(4).run()
    app = widget(app, "what-if-start").click().run()
    baseline, changed = arms_of(lab).values()
    assert baseline == BASE.changed({"dropout.rate": 0.3})
    assert changed == baseline.changed({"epochs": 4}), (
        "what the sidebar changes comes before what the form changes"
    )


@pytest.mark.parametrize("seed", [MAX_SEED, MAX_SEED - 3])
def test_the_largest_seeds_are_followed_by_the_smallest(lab, seed):
    app = open_page(lab, seed=str(seed))
    app = widget(app, "start-batch_norm").click().run()
    found = only_comparison(lab)
    assert found.design["seeds"] == [(seed + number) % (MAX_SEED + 1) for number in range(6)]
    app = widget(app, f"comparison-{found.id}-seeds").click().run()
    assert not app.exception
    seeds = only_comparison(lab).design["seeds"]
    assert len(set(seeds)) == len(seeds) > 6


def test_at_the_largest_number_of_seeds_there_are_no_more_to_add(lab):
    number = start(lab.store, make_design(ARMS, MAX_SEEDS), VISITOR)
    app = open_page(lab, comparison=str(number))
    assert widget(app, f"comparison-{number}-seeds").disabled


@pytest.mark.parametrize("named", ["999", "<b>1</b>", "own"])
def test_what_if_of_somebody_elses_run_is_said(lab, named):
    other = lab.store.create_run(BASE, "B" * 22)
    app = open_page(lab, baseline=str(other) if named == "own" else named).run()
    assert "is not among yours" in text_of(app)
    assert "<b>1</b>" not in text_of(app)
    assert "The baseline has all knobs at their defaults" in text_of(app)


@pytest.mark.parametrize(("value", "said"), [("2", "must be"), ("many", "must be"), ("0.1," * 9, "too many")])
def test_values_that_make_no_sense_are_refused_before_anything_starts(lab, value, said):
    app = widget(open_page(lab), "what-if-knob").set_value("dropout.rate").run()
    app = widget(app, "what-if-dropout.rate").set_value(value).run()
    assert not app.exception
    assert said in text_of(app)
    assert widget(app, "what-if-start").disabled


def test_more_seeds_stop_continue_and_a_title_of_ones_own(lab):
    number = start(lab.store, make_design(ARMS, 2), VISITOR, "Does it help?")
    app = open_page(lab, comparison=str(number))
    assert "Does it help?" in text_of(app)
    assert "&lt;b&gt;batch&lt;/b&gt; norm" in text_of(app)
    app = widget(app, f"comparison-{number}-seeds").click().run()
    assert len(lab.store.members(number)) > 4
    app = widget(app, f"comparison-{number}-stop").click().run()
    assert {one.run.status for one in lab.store.members(number)} == {"stopped"}
    app = widget(app, f"comparison-{number}-resume").click().run()
    assert {one.run.status for one in lab.store.members(number)} == {"queued"}
    widget(app, f"comparison-title-{number}").set_value("It does").run()
    assert only_comparison(lab).title == "It does"


def test_the_list_has_ones_own_comparisons_alone(lab):
    mine = start(lab.store, make_design(ARMS, 1), VISITOR, "Mine")
    start(lab.store, make_design(ARMS, 1), "B" * 22, "Theirs")
    app = open_page(lab)
    assert "Mine" in text_of(app)
    assert "Theirs" not in text_of(app)
    app = widget(app, f"open-comparison-{mine}").click().run()
    assert app.query_params["comparison"] == str(mine)
    assert not has(app, "what-if-start")


@pytest.mark.parametrize("number", ["999", "abc", "-1", "9" * 40])
def test_a_link_to_a_comparison_that_is_not_there_leads_to_the_page(lab, number):
    app = open_page(lab, comparison=number)
    assert has(app, "what-if-start")


def test_a_stranger_who_guesses_the_number_sees_nothing_of_it(lab):
    number = start(lab.store, make_design(ARMS, 1), "B" * 22, "Theirs")
    app = open_page(lab, comparison=str(number))
    assert "Theirs" not in text_of(app)
    assert f"Comparison {number} is not among yours" in text_of(app)


def test_a_comparison_of_the_command_line_can_be_read_and_not_changed(lab):
    number = start(lab.store, make_design(ARMS, 1), COMMAND_LINE, "From a terminal")
    app = open_page(lab, comparison=str(number))
    assert "From a terminal" in text_of(app)
    assert not has(app, f"comparison-{number}-stop")
    assert not has(app, f"comparison-delete-{number}")


def test_what_the_replicates_vary_is_asked_and_said(lab):
    app = widget(open_page(lab, data="two_moons"), "what-if-knob").set_value("learning_rate").run()
    app = widget(app, "what-if-learning_rate").set_value("0.01").run()
    app = widget(app, "what-if-vary").set_value("dropout").run()
    assert "Dropout is off in all arms" in text_of(app)
    assert widget(app, "what-if-start").disabled
    app = widget(app, "what-if-vary").set_value("weights").run()
    app = widget(app, "what-if-start").click().run()
    assert not app.exception
    assert {one["vary"] for one in only_comparison(lab).design["arms"]} == {"weights"}
    assert (
        "The replicates differ in the initial weights alone, so the verdict holds for this one split."
        in text_of(app)
    )


def test_a_study_of_noise_starts_from_a_comparison_and_says_what_came_of_it(lab):
    asked = start(lab.store, make_design(ARMS, 1), VISITOR, "Does <i>it</i> help?")
    app = widget(open_page(lab, comparison=str(asked)), f"comparison-{asked}-noise").click().run()
    assert not app.exception
    study, _ = lab.store.comparisons([VISITOR])
    assert app.query_params["comparison"] == str(study.id)
    assert study.title == "Where the noise comes from: Does <i>it</i> help?"
    assert "Does &lt;i&gt;it&lt;/i&gt; help?" in text_of(app)
    assert {one.run.name.split(" · ")[0] for one in lab.store.members(study.id)} == {
        "everything",
        "split",
        "initial weights",
        "batch order",
    }
    text = text_of(app)
    assert "It takes at least 5 runs of each source" in text
    assert "Dropout is off: it makes no noise, exactly 0." in text
    assert "need not add up to the whole" in text
    assert not has(app, f"comparison-{study.id}-noise")
    sizes = [0.1, 0.09, 0.002, 0.001]
    end_all(
        lab.store, study.id, lambda arm, replicate: 0.5 + sizes[arm] * (-1) ** replicate * (1 + replicate / 9)
    )
    app = open_page(lab, comparison=str(study.id))
    assert "Largest source of noise in the lowest validation loss: split." in text_of(app)
    (chart,) = app.get("plotly_chart")
    bars = json.loads(chart.proto.spec)["data"][0]
    assert bars["y"] == ["everything", "split", "initial weights", "batch order"]
    widget(app, f"comparison-{study.id}-seeds").click().run()
    assert len(lab.store.members(study.id)) > 40
    assert "Largest source of noise" in text_of(open_page(lab))


def test_the_noise_of_another_arm(lab):
    asked = start(lab.store, make_design(ARMS, 1), VISITOR, "Does it help?")
    app = widget(open_page(lab, comparison=str(asked)), f"comparison-{asked}-noise-arm").set_value(1).run()
    assert not app.exception
    app = widget(app, f"comparison-{asked}-noise").click().run()
    assert not app.exception
    study, _ = lab.store.comparisons([VISITOR])
    assert study.title == "Where the noise comes from: Does it help?, <b>batch</b> norm"
    assert {one["config"]["normalization"]["name"] for one in study.design["arms"]} == {"batch"}


def test_comparisons_are_found_by_words_kind_and_state(lab):
    """The filter is in the address; archived ones come by themselves."""
    store = lab.store
    over = start(store, make_design(ARMS, 1), VISITOR, "Does it help?")
    end_all(store, over, lambda arm, replicate: 0.5)
    under_way = start(store, make_design(ARMS, 1), VISITOR, "Once more")
    store.set_comparison_tags(under_way, ["homework"], by=VISITOR)
    noise = start(store, noise_design(BASE, 1), VISITOR, "Noise")
    preset = start(store, PRESETS["dropout"].design(0), VISITOR, "Dropout")
    gone = start(store, make_design(ARMS, 1), VISITOR, "Forgotten")
    store.archive_comparison(gone, by=VISITOR)
    found = {over, under_way, noise, preset, gone}

    def listed(**query):
        app = open_page(lab, **query)
        return {one for one in found if has(app, f"open-comparison-{one}")}

    assert listed() == found - {gone}
    assert listed(**{"comparisons-filter": "HELP does"}) == {over}
    assert listed(**{"comparisons-filter": "homework"}) == {under_way}
    assert listed(**{"comparisons-filter": "<b>batch"}) == {over, under_way}
    assert listed(**{"comparisons-kind": "Noise study"}) == {noise}
    assert listed(**{"comparisons-kind": "Ready-made"}) == {preset}
    assert listed(**{"comparisons-kind": "What-if", "comparisons-state": "Over"}) == {over}
    assert listed(**{"comparisons-state": "Under way"}) == {under_way, noise, preset}
    assert listed(**{"comparisons-archived": "true"}) == {gone}
    app = widget(open_page(lab), "comparisons-filter").set_value("no such thing").run()
    assert "No comparison matches the filter." in [one.value for one in app.text]


def test_a_study_of_somebody_elses_comparison_cannot_be_started(lab):
    number = start(lab.store, make_design(ARMS, 1), COMMAND_LINE, "From a terminal")
    assert not has(open_page(lab, comparison=str(number)), f"comparison-{number}-noise")
