"""Every state that a run can have has one label, in Python's pages and in the browser alike."""

from dataclasses import replace

import orjson
import pytest

from pages.widgets.run_states import run_states, state_label
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState
from trainer.store import Store


@pytest.fixture
def run(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    return store.run(store.create_run({}, "ada"))


@pytest.mark.parametrize("state", RunState)
def test_live_components_know_every_state(run, state):
    assert run_states()["states"][state] == {
        "label": state_label(replace(run, status=state)),
        "over": state.is_over,
    }


def test_a_deleted_run_is_over():
    assert run_states()["states"]["gone"]["over"]


@pytest.mark.parametrize("kind", RequestKind)
def test_a_request_shows_until_a_running_run_has_answered(run, kind):
    asked = replace(run, request=kind)
    assert (
        state_label(replace(asked, status=RunState.RUNNING)) == run_states()["requests"][kind] == kind.label
    )
    assert state_label(replace(asked, status=RunState.STOPPED)) == RunState.STOPPED.label


def test_what_the_browser_gets_is_json():
    assert orjson.loads(orjson.dumps(run_states())) == run_states()
