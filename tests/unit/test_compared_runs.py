"""Comparisons: designs that make sense, runs that belong to them, and what they show as their runs end."""

import math

import pytest
from comparison_runs import ARMS, BASE, BATCH_NORM, begin, end_all, end_run

from trainer.comparison.analysis import add_seeds, analyse, planned, seconds_left
from trainer.comparison.design import MAX_SEEDS, default_seeds, make_design, named_arms, parse_design
from trainer.comparison.effects import effects, read_curves
from trainer.comparison.readings import READINGS
from trainer.comparison.verdicts import Claim
from trainer.config import ConfigError, RunConfig
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState
from trainer.store import Store, StoreError


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    url = (
        f"sqlite:///{tmp_path / 'store.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    found = Store(url)
    yield found
    found.close()


# -- designs -----------------------------------------------------------------------------------------------


def test_a_design_survives_as_plain_values():
    design = make_design(ARMS, 3, measure="val_score", margin=0.01, until=500, unit="steps")
    assert parse_design(design.model_dump(mode="json")) == design


def test_twins_share_everything_but_what_their_arm_changes():
    design = make_design(ARMS, [4, 9])
    assert design.config(1, 1) == BATCH_NORM.changed({"seed": 9})
    assert [str(one) for one in design.changes(1)] == ["Normalization None → Batch norm"]
    assert design.with_seeds(2).seeds == (4, 9, 10, 11)


def test_arms_keep_apart_where_their_names_are_cut():
    wide = [BASE.changed({"model.layers": f"{'128-' * 6}{width}"}) for width in (64, 32, 16)]
    arms = named_arms(BASE, [*wide, BATCH_NORM])
    assert list(arms.values()) == [BASE, *wide, BATCH_NORM]
    assert len(make_design(arms, 1).arms) == 5


@pytest.mark.parametrize("count", [0, -3, MAX_SEEDS + 1, 3_000_000_000])
def test_a_number_of_seeds_that_makes_no_sense_is_refused_at_once(count):
    with pytest.raises(ConfigError, match=f"{count} seeds cannot be compared"):
        make_design(ARMS, count)
    with pytest.raises(ConfigError, match=f"{count} seeds cannot be compared"):
        make_design(ARMS, 1).with_seeds(count)


def test_of_two_tabs_that_add_seeds_the_second_is_told(store):
    number = begin(store, seeds=1)
    design = make_design(ARMS, 1).with_seeds(1)
    added = planned(design, [1])
    store.extend_comparison(number, design.model_dump(mode="json"), added, by="ada")
    with pytest.raises(StoreError, match="has just got more seeds"):
        store.extend_comparison(number, design.model_dump(mode="json"), added, by="ada")
    assert len(store.members(number)) == 4


def test_by_default_there_are_as_many_seeds_as_can_show_a_large_effect():
    assert len(make_design(ARMS).seeds) == 6
    assert default_seeds(1) == 6 < default_seeds(6)
    assert make_design({"a": BASE.changed({"seed": 5}), "b": BATCH_NORM}, 2).seeds == (5, 6)


REFUSED = {
    "one arm": ({"a": BASE}, {}, "at least two arms"),
    "other data": ({"a": BASE, "b": RunConfig()}, {}, "differ in Data set"),
    "another split": (
        {"a": BASE, "b": BASE.changed({"validation_share": 0.2})},
        {},
        "differ in Validation share",
    ),
    "no seeds": (ARMS, {"seeds": []}, "at least one seed"),
    "a seed twice": (ARMS, {"seeds": [1, 1]}, "Seed 1 is listed twice"),
    "a negative seed": (ARMS, {"seeds": [-1]}, "Seed -1"),
    "too many seeds": (ARMS, {"seeds": 101}, "101 seeds cannot be compared"),
    "a long name": ({"a": BASE, "b" * 81: BATCH_NORM}, {}, "at most 80 characters"),
    "no name": ({"a": BASE, "": BATCH_NORM}, {}, "has no name"),
    "an unknown measure": (ARMS, {"measure": "beauty"}, "no measure called 'beauty'"),
    "a negative margin": (ARMS, {"margin": -1.0}, "margin"),
    "test at a budget": (ARMS, {"measure": "test_loss", "until": 3}, "test part"),
    "no budget": (ARMS, {"until": 0}, "until"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_design_that_makes_no_sense_is_refused_in_a_sentence(why):
    arms, choices, said = REFUSED[why]
    with pytest.raises(ConfigError, match=said) as caught:
        make_design(arms, **choices)
    assert "validation error" not in str(caught.value)


# -- in the store ------------------------------------------------------------------------------------------


def test_a_comparison_queues_seed_after_seed(store):
    number = begin(store, seeds=2)
    found = store.comparison(number)
    assert (found.owner, found.title, found.archived) == ("ada", "A question", False)
    members = store.members(number)
    assert [(one.arm, one.replicate) for one in members] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert [one.run.name for one in members][:2] == ["baseline · seed 0", "batch norm · seed 0"]
    assert RunConfig.parse(members[1].run.config) == BATCH_NORM.changed({"seed": 0})
    assert [one.id for one in store.comparisons(["ada"])] == [number]
    assert store.comparisons(["bob"]) == []


def test_more_seeds_leave_what_there_is_alone(store):
    number = begin(store, seeds=1)
    before = [one.run.id for one in store.members(number)]
    add_seeds(store, number, 2, by="ada")
    after = store.members(number)
    assert [one.run.id for one in after][:2] == before
    assert [(one.arm, one.replicate) for one in after][2:] == [(0, 1), (1, 1), (0, 2), (1, 2)]
    assert parse_design(store.comparison(number).design).seeds == (0, 1, 2)


def test_stop_and_continue_are_for_all_runs(store):
    number = begin(store, seeds=2)
    assert store.request_all(number, RequestKind.STOP, by="ada") == 4
    assert {one.run.status for one in store.members(number)} == {RunState.STOPPED}
    assert store.request_all(number, RequestKind.STOP, by="ada") == 0
    assert store.resume_all(number, by="ada") == 4
    assert {one.run.status for one in store.members(number)} == {RunState.QUEUED}


def test_names_notes_and_archive(store):
    number = begin(store, seeds=1)
    store.rename_comparison(number, "Does it help?\x00", by="ada")
    store.set_comparison_notes(number, "I expect so.", by="ada")
    store.set_comparison_tags(number, [" talk", "talk", "a\x00b", ""], by="ada")
    store.archive_comparison(number, by="ada")
    found = store.comparison(number)
    assert (found.title, found.notes, found.archived) == ("Does it help?", "I expect so.", True)
    assert found.tags == store.tags(["ada"])[::-1] == ["talk", "ab"]
    assert store.comparisons() == []
    assert store.runs() == []
    assert [one.id for one in store.comparisons(archived=True)] == [number]
    store.archive_comparison(number, False, by="ada")
    assert len(store.runs()) == 2


def test_deleting_takes_the_runs_along_but_never_one_that_trains(store):
    number = begin(store, seeds=1)
    first = store.members(number)[0].run
    store.claim(first.id)
    with pytest.raises(StoreError, match="This run is training"):
        store.delete_comparison(number, by="ada")
    assert len(store.members(number)) == 2
    store.finish(first.id, 1, "stopped")
    assert sorted(store.delete_comparison(number, by="ada")) == [first.id, first.id + 1]
    assert store.runs() == []
    with pytest.raises(StoreError, match=f"There is no comparison {number}"):
        store.comparison(number)


def test_a_deleted_run_leaves_its_comparison(store):
    number = begin(store, seeds=1)
    store.delete(store.members(number)[0].run.id, by="ada")
    assert len(store.members(number)) == 1
    assert analyse(store, number).total == 1


def test_strangers_change_nothing(store):
    number = begin(store, seeds=1)
    before = store.comparison(number)
    for attempt in (
        lambda: store.request_all(number, RequestKind.STOP, by="bob"),
        lambda: store.resume_all(number, by="bob"),
        lambda: store.rename_comparison(number, "mine", by="bob"),
        lambda: store.set_comparison_notes(number, "mine", by="bob"),
        lambda: store.set_comparison_tags(number, ["mine"], by="bob"),
        lambda: store.archive_comparison(number, by="bob"),
        lambda: store.delete_comparison(number, by="bob"),
        lambda: add_seeds(store, number, 1, by="bob"),
    ):
        with pytest.raises(StoreError, match="belongs to another visitor"):
            attempt()
    assert store.comparison(number) == before
    assert {one.run.status for one in store.members(number)} == {RunState.QUEUED}


def test_titles_and_notes_are_bounded(store):
    number = begin(store, seeds=1)
    for attempt in (
        lambda: store.rename_comparison(number, "x" * 121, by="ada"),
        lambda: store.set_comparison_notes(number, "x" * 5001, by="ada"),
        lambda: store.set_comparison_tags(number, ["x" * 41], by="ada"),
        lambda: store.set_comparison_tags(number, map(str, range(21)), by="ada"),
    ):
        with pytest.raises(StoreError, match=r"Shorten it|use at most"):
            attempt()


def test_bookmarks_are_their_owners_and_bounded(store, monkeypatch):
    for name, shows in (("b", {"runs-filter": "x"}), (" a ", {}), ("b", {"runs-filter": "y"})):
        store.save_bookmark("ada", name, shows)
    assert store.bookmarks("ada") == {"a": {}, "b": {"runs-filter": "y"}}
    assert store.bookmarks("bob") == {}
    store.delete_bookmark("bob", "a")
    monkeypatch.setattr("trainer.store.bookmarks.MAX_BOOKMARKS", 2)
    store.save_bookmark("ada", "a", {"run": "1,2"})
    for name, said in (("c", "2 bookmarks, the most"), ("  ", "has no name"), ("x" * 121, "Shorten it")):
        with pytest.raises(StoreError, match=said):
            store.save_bookmark("ada", name, {})
    store.delete_bookmark("ada", "b")
    assert store.bookmarks("ada") == {"a": {"run": "1,2"}}


@pytest.mark.parametrize("number", [0, -1, 7, 2**40])
def test_a_comparison_that_is_not_there(store, number):
    with pytest.raises(StoreError, match="There is no comparison"):
        store.comparison(number)
    assert store.members(number) == []


# -- what it shows -----------------------------------------------------------------------------------------


def test_the_verdict_grows_with_the_runs(store):
    number = begin(store)
    noise = [0.01, -0.02, 0.0, 0.015, -0.01, 0.005]
    assert "no seed has finished" in analyse(store, number).arms[1].sentence

    def loss(arm, replicate):
        return (0.5 if arm == 0 else 0.3 + noise[replicate]) if replicate < 2 else None

    end_all(store, number, loss)
    some = analyse(store, number)
    assert (some.over, some.total, some.is_over) == (4, 12, False)
    assert "over 2 seeds. It takes at least 6 seeds" in some.arms[1].sentence
    assert some.seconds_left == pytest.approx(2.0 * 8)

    end_all(store, number, lambda arm, replicate: 0.5 if arm == 0 else 0.3 + noise[replicate])
    all_over = analyse(store, number)
    assert all_over.is_over
    assert all_over.arms[1].verdict.claim is Claim.BETTER
    assert all_over.arms[1].mean == pytest.approx(0.3)
    assert all_over.seconds_left == 0
    assert all_over.more_seeds is None


def test_a_diverged_run_counts_and_a_stopped_or_failed_one_does_not(store):
    number = begin(store, seeds=3)
    runs = {(one.arm, one.replicate): one.run for one in store.members(number)}
    for replicate in range(3):
        end_run(store, runs[0, replicate], 0.5)
    end_run(store, runs[1, 0], None, stopped_by="non_finite_loss")
    end_run(store, runs[1, 1], 0.4, stopped_by="stop")
    end_run(store, runs[1, 2], None, stopped_by="out_of_memory")
    found = analyse(store, number)
    assert found.arms[1].verdict.pairs == 1
    assert found.arms[1].verdict.diverged == 1
    assert "1 of its 1 run diverged" in found.arms[1].sentence


def test_arms_are_compared_after_as_much_training_as_is_asked_for(store):
    curves = {0: [0.9, 0.5, 0.2], 1: [0.6, 0.55, 0.5]}

    def measured(**choices):
        number = begin(store, seeds=1, **choices)
        for arm, _, run in store.members(number):
            end_run(store, run, min(curves[arm]), epochs=curves[arm])
        return [arm.mean for arm in analyse(store, number).arms]

    assert measured() == [0.2, 0.5]
    assert measured(until=1, unit="epochs") == [0.9, 0.6]
    assert measured(until=2.5, unit="seconds") == [0.5, 0.55]
    assert measured(until=2, unit="steps", measure="val_loss") == [0.5, 0.55]
    assert measured(until=64, unit="samples") == [0.5, 0.55]  # two steps of 32
    assert all(map(math.isnan, measured(until=0.5)))


@pytest.mark.parametrize("measure", READINGS)
def test_every_measure_is_read_and_named(store, measure):
    number = begin(store, seeds=1, measure=measure)
    end_all(store, number, lambda arm, replicate: 0.25)
    found = analyse(store, number)
    assert found.arms[0].mean == (0.9 if "score" in measure else 0.25)
    assert found.measure.lower_is_better == ("score" not in measure)
    assert "{" not in found.measure.label


def test_effects_tell_how_soon_each_arm_reached_the_baselines_best(store):
    curves = {0: [0.9, 0.5, 0.2], 1: [0.6, 0.2, 0.4]}
    number = begin(store, seeds=2)
    for arm, replicate, run in store.members(number):
        if (arm, replicate) != (1, 1):
            end_run(store, run, min(curves[arm]), epochs=curves[arm])
    found = analyse(store, number)
    curves_of = read_curves(store, found)
    baseline, arm = effects(found, curves_of)
    assert (baseline.finished, baseline.reached, baseline.steps, baseline.seconds) == (2, 2, 3, 3)
    assert (arm.finished, arm.reached, arm.steps, arm.best_loss) == (1, 1, 2, 0.2)
    assert [one.steps for one in effects(found, curves_of, target=0.6)] == [2, 1]
    assert [one.reached for one in effects(found, curves_of, target=0.1)] == [0, 0]
    assert all(math.isnan(one.seconds) for one in effects(found, curves_of, target=0.1))


def test_time_left_waits_for_the_first_run(store):
    number = begin(store, seeds=1)
    assert analyse(store, number).seconds_left is None
    assert seconds_left([]) == 0
