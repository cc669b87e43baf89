"""Searches: the space, the driver's rounds on both databases without training, and what is said of what came of them."""

import math

import pytest
import sqlalchemy as sa
from comparison_runs import end_run, train_epochs

from trainer.cli.searching import text
from trainer.comparison.analysis import analyse
from trainer.comparison.search.analysis import changes_of, confirm, read_search, run_more, start_search
from trainer.comparison.search.design import make_search
from trainer.comparison.search.drive import Driver
from trainer.comparison.search.space import corners, grid, parse_space
from trainer.comparison.search.suggestions import searchable, suggested
from trainer.config import ConfigError, RunConfig
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState, SearchState
from trainer.store import Limits, Store, StoreError
from trainer.store.searches import MAX_LIVE_SEARCHES

BASE = RunConfig.from_flat({"data": "two_moons", "epochs": 10})
SPACE = ["learning_rate=1e-4..1e-1 log", "optimizer=adam,momentum", "optimizer.momentum=0.5..0.95"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def store(url):
    store = Store(url)
    yield store
    store.close()


@pytest.fixture
def local(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    yield store
    store.close()


def driver(store):
    return Driver(store, pytest.fail)


def begin(store, space=SPACE, base=BASE, **choices):
    return start_search(store, make_search(base=base, space=parse_space(space, base), **choices), "ada")


def runs_of(store, search_id):
    return [one.run for one in store.members(search_id)]


def loss_of(run):
    """As if the best rate were 0.01."""
    return abs(math.log10(run.config["learning_rate"]) + 2)


def finish(store, search_id, drive):
    """Ends all trials, several at a time."""
    while drive.round():
        for run in runs_of(store, search_id):
            if run.status is RunState.QUEUED:
                end_run(store, run, loss_of(run))


def counts(store):
    with store.reading() as connection:
        tables = ("studies", "trials", "trial_params", "trial_intermediate_values", "trial_user_attributes")
        return [connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar() for name in tables]


def test_a_search_survives_its_driver_and_ends_with_the_best(store):
    search_id = begin(store, trials=9, at_once=3)
    driver(store).round()
    assert len(runs_of(store, search_id)) == 3
    while store.comparison(search_id).search is SearchState.RUNNING:
        for run in runs_of(store, search_id)[-2:]:
            if run.status is RunState.QUEUED:
                end_run(store, run, loss_of(run))
        driver(store).round()  # each time another one, as after kill -9
        for run in runs_of(store, search_id)[:-2]:
            if run.status is RunState.QUEUED:
                end_run(store, run, loss_of(run))
    found = read_search(store, search_id)
    assert [one.number for one in found.trials] == [*range(9)]
    assert [one.run.number for one in found.trials] == [*range(1, 10)]
    assert found.best.value == min(one.value for one in found.trials)
    assert found.best_so_far[-1][1] == found.best.value
    assert next(iter(found.importance)) == "learning_rate"  # which alone decides
    assert all(
        ("optimizer.momentum" in one.knobs) == (one.knobs["optimizer"] == "momentum") for one in found.trials
    )
    assert "9 of 9 trials over: 9 finished" in text(found)
    store.delete_comparison(search_id, by="ada")
    assert counts(store) == [0, 0, 0, 0, 0]


def test_a_trial_that_was_drawn_and_not_queued_is_queued_with_the_same_knobs(local, monkeypatch):
    search_id = begin(local, trials=2, at_once=1)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "add_trial", lambda *_: (_ for _ in ()).throw(StoreError("killed")))
        driver(local).round()
    before = read_search(local, search_id).trials
    assert [one.run for one in before] == [None]
    driver(local).round()
    (trial,) = read_search(local, search_id).trials
    assert trial.knobs == before[0].knobs
    assert trial.run.config["optimizer"]["name"] == trial.knobs["optimizer"]


def test_the_same_search_draws_the_same_trials(local):
    first, second = (begin(local, sampler="random", trials=4, at_once=2) for _ in range(2))
    drive = driver(local)
    while drive.round():
        for search_id in (first, second):
            for run in runs_of(local, search_id):
                if run.status is RunState.QUEUED:
                    end_run(local, run, loss_of(run))
    drawn = [[one.knobs for one in read_search(local, search_id).trials] for search_id in (first, second)]
    assert drawn[0] == drawn[1]
    assert len({one["learning_rate"] for one in drawn[0]}) == 4


def test_a_grid_visits_each_combination_once(local):
    space = ["optimizer=adam,momentum", "optimizer.momentum=0.5,0.9", "normalization=none,batch"]
    search_id = begin(local, space, sampler="grid", trials=99, at_once=4)
    finish(local, search_id, driver(local))
    found = read_search(local, search_id)
    assert found.design.trials == 6
    assert len({str(sorted(one.knobs.items())) for one in found.trials}) == 6
    with pytest.raises(ConfigError, match="more than 5 combinations"):
        grid(parse_space(space, BASE), BASE, 5)


def test_a_hopeless_trial_is_pruned_once_and_says_so(local, monkeypatch):
    search_id = begin(local, trials=7, at_once=1, pruner="median")
    for _ in range(5):  # the median is that of trials that have ended
        driver(local).round()
        run = runs_of(local, search_id)[-1]
        train_epochs(local, run, [0.1] * 10)
        driver(local).round()
        end_run(local, run, 0.1)
    driver(local).round()
    hopeless = runs_of(local, search_id)[-1]
    train_epochs(local, hopeless, [0.9] * 4)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "prune_trial", lambda *_: (_ for _ in ()).throw(StoreError("killed")))
        driver(local).round()
    assert local.run(hopeless.id).request is None
    driver(local).round()
    assert local.run(hopeless.id).request is RequestKind.STOP
    end_run(local, hopeless, 0.9, stopped_by="stop")
    assert "Pruned by the search after epoch" in local.run(hopeless.id).notices[0]
    local.resume(hopeless.id, by="ada")
    driver(local).round()
    assert local.run(hopeless.id).status is RunState.QUEUED  # who resumes it may train it
    finish(local, search_id, driver(local))
    found = read_search(local, search_id)
    assert found.in_words == "7 of 7 trials over: 6 finished, 1 pruned"
    assert (found.trials[5].said, found.trials[5].value) == ("Pruned after epoch 2.", None)


def test_what_cannot_train_diverges_or_fails_counts_as_the_worst(local):
    space = ["optimizer=adam,sgd", "batch_size=1,32", "normalization=none,batch"]
    search_id = begin(local, space, sampler="grid", at_once=8)
    drive = driver(local)
    drive.round()
    first, second, *others = runs_of(local, search_id)
    assert len(others) == 4  # batch norm cannot train on batches of one
    end_run(local, first, None, stopped_by="non_finite_loss")
    local.finish(second.id, local.claim(second.id), "failed", error="Out of memory.")
    local.request(others[0].id, "stop", by="ada")
    for number, run in enumerate(others[1:]):
        end_run(local, run, 0.5 + number)
    while drive.round():
        pass
    found = read_search(local, search_id)
    said = [one.said for one in found.trials if one.said]
    assert sum("needs a batch size of at least 2" in one for one in said) == 2
    assert any("diverged, so it counts as the worst" in one for one in said)
    assert any("Out of memory. It counts as the worst" in one for one in said)
    assert found.in_words == "8 of 8 trials over: 3 finished, 4 failed, 1 stopped"
    assert found.best.value == 0.5


def test_stop_pauses_the_trials_and_continue_resumes_those_alone(local):
    search_id = begin(local, trials=4, at_once=3)
    drive = driver(local)
    drive.round()
    first, second, third = runs_of(local, search_id)
    end_run(local, first, 0.3)
    local.prune_trial(second.id, "Pruned.")
    with pytest.raises(StoreError, match="another visitor"):
        local.stop_search(search_id, by="eve")
    local.stop_search(search_id, by="ada")
    local.stop_search(search_id, by="ada")
    assert not drive.round()
    states = [run.status for run in runs_of(local, search_id)]
    assert states == [RunState.FINISHED, RunState.STOPPED, RunState.PAUSED]
    with pytest.raises(StoreError, match="another visitor"):
        local.continue_search(search_id, by="eve")
    local.continue_search(search_id, by="ada")
    assert local.run(third.id).status is RunState.QUEUED
    assert local.run(second.id).status is RunState.STOPPED
    finish(local, search_id, drive)
    assert local.comparison(search_id).search is SearchState.FINISHED
    assert len(runs_of(local, search_id)) == 4


def test_a_finished_search_goes_on_with_more_trials(local):
    search_id = begin(local, trials=3, at_once=3)
    finish(local, search_id, driver(local))
    before = [one.knobs for one in read_search(local, search_id).trials]
    run_more(local, read_search(local, search_id), 4, by="ada")
    run_more(local, read_search(local, search_id), 4, by="ada")  # a double click: it is under way already
    finish(local, search_id, driver(local))
    found = read_search(local, search_id)
    assert [one.knobs for one in found.trials[:3]] == before
    assert (found.state, len(found.complete), found.design.trials) == (SearchState.FINISHED, 7, 7)
    with pytest.raises(ConfigError, match=r"7 of 500 trials .* at most 493 more, not 494"):
        run_more(local, found, 494, by="ada")
    with pytest.raises(StoreError, match="belongs to another visitor"):
        run_more(local, found, 1, by="bob")


def test_a_stopped_search_may_get_fewer_trials_than_it_was_to_have(local):
    search_id = begin(local, trials=9, at_once=2)
    driver(local).round()
    local.stop_search(search_id, by="ada")
    run_more(local, read_search(local, search_id), 1, by="ada")
    finish(local, search_id, driver(local))
    assert len(read_search(local, search_id).complete) == 3


def test_a_grid_has_no_more_trials_than_combinations(local):
    space = ["optimizer=adam,sgd"]
    search_id = begin(local, space, sampler="grid")
    finish(local, search_id, driver(local))
    with pytest.raises(
        ConfigError, match="2 of 2 combinations of its grid have begun, so it can have no more"
    ):
        run_more(local, read_search(local, search_id), 1, by="ada")


def test_after_its_time_no_trial_begins_and_those_that_train_end(local, monkeypatch):
    """Time while the search is stopped, or nobody drives it, does not count."""
    now = [0.0]
    monkeypatch.setattr("trainer.comparison.search.drive.time.monotonic", lambda: now[0])
    search_id = begin(local, trials=9, at_once=2, minutes=10)
    drive = driver(local)
    assert drive.round()
    for seconds, event in ((240, "stop"), (9000, "go on"), (240, "killed")):
        now[0] += seconds
        drive.round()
        if event == "stop":
            local.stop_search(search_id, by="ada")
        elif event == "go on":
            local.continue_search(search_id, by="ada")
            drive.round()
        else:
            drive = driver(local)
            now[0] += 9000
    drive.round()
    first, second = runs_of(local, search_id)
    end_run(local, first, 0.5)
    drive.round()
    assert len(runs_of(local, search_id)) == 3, "eight of ten minutes are over"
    now[0] += 121
    end_run(local, second, 0.5)
    drive.round()
    assert len(runs_of(local, search_id)) == 3
    assert local.comparison(search_id).search is SearchState.RUNNING, "one still trains"
    end_run(local, runs_of(local, search_id)[2], 0.5)
    drive.round()
    found = read_search(local, search_id)
    assert (found.state, found.time_is_over) == (SearchState.FINISHED, True)
    assert "Its time is over" in text(found)
    run_more(local, found, 2, 5, by="ada")
    drive.round()
    assert len(runs_of(local, search_id)) == 5


@pytest.mark.parametrize("wrong", [0, -1, math.inf, math.nan, 1e6])
def test_a_limit_that_is_none_is_refused(wrong):
    with pytest.raises(ConfigError, match="minutes is"):
        make_search(base=BASE, space=parse_space(SPACE, BASE), minutes=wrong)


def test_an_archived_search_stops(local):
    search_id = begin(local, trials=4, at_once=2)
    driver(local).round()
    local.archive_comparison(search_id, by="ada")
    assert local.comparison(search_id).search is SearchState.STOPPED
    assert {run.status for run in runs_of(local, search_id)} == {RunState.PAUSED}
    local.archive_comparison(search_id, False, by="ada")
    assert local.comparison(search_id).search is SearchState.STOPPED


def test_what_only_teaches_how_training_fails_is_not_suggested():
    suggestions = suggested("initialization", BASE).choices
    assert "kaiming_normal" in suggestions
    assert not {"constant", "zeros", "too_small", "too_large"} & set(suggestions)
    assert parse_space(["initialization=zeros,orthogonal"], BASE), "who asks for it gets it"


def test_a_search_waits_while_its_owner_has_too_many_runs(tmp_path, local):
    search_id = begin(local, trials=3, at_once=3)
    limited = Store(local.url, limits=Limits(of_one=1, together=10))
    drive = driver(limited)
    drive.round()
    assert len(runs_of(local, search_id)) == 1
    finish(local, search_id, drive)
    assert len(runs_of(local, search_id)) == 3
    limited.close()


def test_the_winner_meets_the_baseline_over_seeds_that_the_search_has_not_used(local):
    base = BASE.changed({"seed": 4})
    search_id = begin(local, base=base, trials=6, at_once=6)
    finish(local, search_id, driver(local))
    found = read_search(local, search_id)
    assert "the best of 6 trials is partly luck" in found.luck.lower()
    comparison_id = confirm(local, found, "ada")
    design = analyse(local, comparison_id).design
    assert design.seeds == (5, 6, 7, 8, 9, 10)
    assert [arm.config for arm in design.arms] == [base, found.best.config]
    assert changes_of(found.best, found) in design.arms[1].name
    with pytest.raises(StoreError, match="is a search"):
        analyse(local, search_id)
    with pytest.raises(StoreError, match="is no search"):
        read_search(local, comparison_id)


def test_where_higher_is_better_a_failed_trial_is_the_lowest(local):
    search_id = begin(local, ["dropout=0,0.5"], sampler="grid", measure="best_val_score")
    drive = driver(local)
    drive.round()
    first, second = runs_of(local, search_id)
    end_run(local, first, None, stopped_by="non_finite_loss")
    end_run(local, second, 0.4)
    drive.round()
    found = read_search(local, search_id)
    assert not found.measure.lower_is_better
    assert (found.best.number, found.best.value) == (1, 0.9)
    assert found.in_words == "2 of 2 trials over: 1 finished, 1 failed"
    assert found.luck.startswith("The best of 2 trials is partly luck")


def test_one_visitor_has_a_few_searches_at_a_time(local):
    searches = [begin(local, ["dropout=0,0.5"]) for _ in range(MAX_LIVE_SEARCHES)]
    with pytest.raises(StoreError, match="5 searches of yours"):
        begin(local, ["dropout=0,0.5"])
    local.stop_search(searches[0], by="ada")
    begin(local, ["dropout=0,0.5"])
    with pytest.raises(StoreError, match="5 searches of yours"):
        local.continue_search(searches[0], by="ada")


def test_how_long_trials_take_is_measured_at_both_ends_of_the_space():
    space = parse_space(["optimizer=adam,momentum", "optimizer.momentum=0.5..0.9", "model.width=8..64"], BASE)
    small, large = corners(space, BASE)
    assert (small.optimizer.name, small.flat()["model.width"]) == ("adam", 8)
    assert (large.flat()["optimizer.momentum"], large.flat()["model.width"]) == (0.9, 64)


def test_an_unexpected_error_fails_the_search_alone(local, monkeypatch):
    broken, fine = begin(local, trials=1), begin(local, ["dropout.rate=0..0.5"], trials=1)
    said = []
    drive = Driver(local, said.append)
    real = drive._begin_more

    def break_one(search, *rest):
        if search.id == broken:
            raise ZeroDivisionError("of the test")
        real(search, *rest)

    monkeypatch.setattr(drive, "_begin_more", break_one)
    drive.round()
    assert "ZeroDivisionError" in said[0]
    assert local.comparison(broken).search is SearchState.FAILED
    assert "of the test" in local.comparison(broken).error
    assert len(runs_of(local, fine)) == 1


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ([], "at least one knob"),
        (["learning_rate"], "KNOB=LOW..HIGH"),
        (["learning_rate=1..0.1"], "must be the smaller one"),
        (["learning_rate=0..1"], "learning_rate is '0'"),
        (["learning_rate=0.1..1 root"], "a range is"),
        (["dropout.rate=0..0.5 log"], "begins above 0"),
        (["dropout.rate=0.1", "dropout.rate=0.2"], "listed twice"),
        (["dropout.rate=0.1,,0.2"], "empty value"),
        (["dropout.rate=0.1,0.1"], "different values"),
        (["optimizer=adam,adamm"], "did you mean adam"),
        (["optimizer=1..2"], "List the values instead"),
        (["optimizr=adam"], "no knob called"),
        (["optimizer.momentum=0.5..0.9"], "no knob called"),  # the default, Adam, has none
        (["seed=1,2"], "stays the same"),
        (["epochs=1..9"], "stays the same"),
        (["data.samples=50..90"], "stays the same"),
        (["schedule=range_test,constant"], "test of its own"),
        (["model=mlp,cnn"], "No trial with model=cnn can train"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(space, sentence):
    with pytest.raises(ConfigError, match=sentence):
        make_search(base=BASE, space=parse_space(space, BASE))


def test_the_test_part_is_no_measure_of_a_search():
    space = parse_space(["dropout.rate=0..0.5"], BASE)
    with pytest.raises(ConfigError, match="must not choose the winner"):
        make_search(base=BASE, space=space, measure="test_loss")
    with pytest.raises(ConfigError, match="trials is 0"):
        make_search(base=BASE, space=space, trials=0)


@pytest.mark.parametrize("base", [BASE, RunConfig.from_flat({"optimizer": "sgd", "schedule": "cosine"})])
def test_every_suggested_space_can_be_searched(base):
    for key in searchable(base):
        make_search(base=base, space={key: suggested(key, base)})
        assert parse_space([f"{key}={suggested(key, base)}"], base) == {key: suggested(key, base)}
