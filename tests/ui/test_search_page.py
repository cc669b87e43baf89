"""A search on the Comparisons page: started, watched, stopped, and its winner used."""

import pytest
from comparison_runs import end_run
from page_testing import VISITOR, has, messages, text_of, widget

from trainer.comparison.search.analysis import start_search
from trainer.comparison.search.design import make_search
from trainer.comparison.search.drive import Driver
from trainer.comparison.search.space import parse_space
from trainer.config import RunConfig
from trainer.lifecycle.states import RunState, SearchState
from trainer.store import COMMAND_LINE

BASE = RunConfig.from_flat({"data": "two_moons", "epochs": 3})


def open_page(lab, **query):
    app = lab.go(lab.open(**query), "experiments")
    assert not app.exception
    return app


def multiselect(app, key):
    return next(one for one in app.multiselect if one.key == key)


def search_of(lab, owner=VISITOR, trials=4):
    space = parse_space(["learning_rate=0.001..0.1 log", "normalization=none,batch"], BASE)
    design = make_search(base=BASE, space=space, trials=trials, at_once=4)
    return start_search(lab.store, design, owner, "<b>my</b> search")


def train(lab, search_id):
    drive = Driver(lab.store, pytest.fail)
    while drive.round():
        for number, one in enumerate(lab.store.members(search_id)):
            if one.run.status is RunState.QUEUED:
                end_run(lab.store, one.run, 0.5 + 0.1 * number)


def test_a_search_is_put_together_and_starts_once(lab):
    app = open_page(lab, data="two_moons", epochs="3")
    assert widget(app, "search-start").disabled
    app = multiselect(app, "search-knobs").set_value(["learning_rate", "optimizer"]).run()
    rate = next(one for one in app.text_input if one.key.startswith("search-learning_rate"))
    assert rate.value == "0.0001..0.01 log"
    app = rate.set_value("1..0.1").run()
    assert "must be the smaller one" in "".join(messages(app, "problem"))
    assert widget(app, "search-start").disabled
    rate = next(one for one in app.text_input if one.key.startswith("search-learning_rate"))
    app = rate.set_value("0.01,0.1").run()
    app = multiselect(app, "search-optimizer").set_value(["adam", "sgd"]).run()
    app = widget(app, "search-sampler").set_value("grid").run()
    assert widget(app, "search-start").label == "Search: 4 trials"
    app = widget(app, "search-start").click().run()
    assert not app.exception
    (search,) = lab.store.comparisons([VISITOR])
    assert search.search is SearchState.RUNNING
    assert app.query_params["comparison"] == str(search.id)
    assert "0 of 4 trials over" in "".join(one.proto.text for one in app.get("progress"))


def test_the_winner_is_taken_and_compared_over_fresh_seeds(lab):
    search_id = search_of(lab)
    train(lab, search_id)
    app = open_page(lab, comparison=str(search_id))
    text = text_of(app)
    assert "&lt;b&gt;my&lt;/b&gt; search" in text
    assert "4 of 4 trials over: 4 finished" in text
    assert "Best: trial 1, lowest validation loss 0.5" in text
    assert "The best of 4 trials is partly luck" in text
    rate = lab.store.members(search_id)[0].run.config["learning_rate"]
    app = widget(app, "search-take").click().run()
    assert widget(app, "learning_rate").value == rate
    app = widget(app, "search-confirm").click().run()
    assert not app.exception
    found = next(one for one in lab.store.comparisons([VISITOR]) if not one.search)
    assert app.query_params["comparison"] == str(found.id)
    assert found.design["seeds"] == [1, 2, 3, 4, 5, 6]
    app = open_page(lab)
    assert "Best: " in text_of(app)


def test_a_search_is_stopped_and_goes_on(lab):
    search_id = search_of(lab)
    app = widget(open_page(lab, comparison=str(search_id)), f"search-{search_id}-stop").click().run()
    assert lab.store.comparison(search_id).search is SearchState.STOPPED
    assert "Stopped." in text_of(app)
    app = widget(app, f"search-{search_id}-continue").click().run()
    assert not app.exception
    assert lab.store.comparison(search_id).search is SearchState.RUNNING


def test_a_finished_search_runs_more_trials(lab):
    search_id = search_of(lab, trials=2)
    train(lab, search_id)
    app = open_page(lab, comparison=str(search_id))
    app = widget(app, f"search-{search_id}-more-trials").set_value(3).run()
    app = widget(app, f"search-{search_id}-more").click().run()
    assert not app.exception
    search = lab.store.comparison(search_id)
    assert (search.search, search.design["trials"]) == (SearchState.RUNNING, 5)
    train(lab, search_id)
    assert "5 of 5 trials over: 5 finished" in text_of(open_page(lab, comparison=str(search_id)))


def test_an_archived_search_stops_and_is_found_again(lab):
    search_id = search_of(lab)
    app = widget(open_page(lab, comparison=str(search_id)), f"comparison-archive-{search_id}").click().run()
    assert not app.exception
    search = lab.store.comparison(search_id)
    assert (search.search, search.archived) == (SearchState.STOPPED, True)
    assert not has(open_page(lab), f"open-comparison-{search_id}")
    kept = {"comparisons-archived": "true", "comparisons-kind": "Search", "comparisons-state": "Over"}
    assert has(open_page(lab, **kept), f"open-comparison-{search_id}")


def test_a_search_from_the_command_line_can_be_watched_alone(lab):
    search_id = search_of(lab, COMMAND_LINE)
    train(lab, search_id)
    app = open_page(lab, comparison=str(search_id))
    assert "Best: trial 1" in text_of(app)
    assert not has(app, f"search-{search_id}-stop")
    assert not has(app, f"comparison-delete-{search_id}")
