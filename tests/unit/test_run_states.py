"""Every state that a run can have has one label, in Python's pages and in the browser alike."""

import orjson
import pytest

from pages.widgets.run_states import run_states, state_label
from trainer.store.runs import ENDED, STATUSES


@pytest.mark.parametrize("status", STATUSES)
def test_live_components_know_every_state(status):
    state = run_states()["states"][status]
    assert state == {"label": state_label(status), "over": status in ENDED}


def test_a_deleted_run_is_over():
    assert run_states()["states"]["gone"]["over"]


def test_a_request_shows_until_a_running_run_has_answered():
    assert state_label("running", "stop") == run_states()["requests"]["stop"]
    assert state_label("stopped", "stop") == state_label("stopped")
    assert state_label("running", "something new") == state_label("running")


def test_what_the_browser_gets_is_json():
    assert orjson.loads(orjson.dumps(run_states())) == run_states()
