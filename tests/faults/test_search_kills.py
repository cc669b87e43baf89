"""Kill what drives a search: it goes on where it was, and ends with the trials of one that nobody disturbed."""

from __future__ import annotations

import os
import signal

from lab import Lab

from trainer.comparison.search.analysis import read_search, start_search
from trainer.comparison.search.design import make_search
from trainer.comparison.search.space import parse_space
from trainer.config import RunConfig
from trainer.lifecycle.states import SearchState

TRIALS = 5


def begin(lab: Lab, pace: int) -> int:
    values = {"data": "two_moons", "data.samples": 60, "model.layers": "8", "epochs": 10, "pace": pace}
    base = RunConfig.from_flat({**values, "device": "cpu"})
    space = parse_space(["learning_rate=0.001..0.1 log", "dropout.rate=0,0.2"], base)
    design = make_search(base=base, space=space, sampler="random", trials=TRIALS, at_once=2)
    return start_search(lab.store, design, "ada")


def ended(lab: Lab, search_id: int) -> list[tuple[int, object, float | None]]:
    lab.until(lambda: lab.store.comparison(search_id).search is not SearchState.RUNNING)
    assert lab.store.comparison(search_id).search is SearchState.FINISHED, lab.log()
    return [(one.number, one.knobs, one.value) for one in read_search(lab.store, search_id).trials]


def kill_driver(lab: Lab) -> None:
    os.kill(int((lab.settings.home / "search.lock").read_text()), signal.SIGKILL)


def test_a_search_outlives_its_driver_its_workers_and_its_supervisor(sqlite_lab: Lab) -> None:
    lab = sqlite_lab
    supervisor = lab.start()
    search_id = begin(lab, pace=40)
    lab.until(lambda: len(lab.store.members(search_id)) == 2)
    kill_driver(lab)
    first = lab.store.members(search_id)[0].run.id
    lab.past(first, 3)
    assert lab.kill_worker(first)
    lab.until(lambda: len(lab.store.members(search_id)) > 2)
    kill_driver(lab)
    supervisor.kill()
    lab.start()
    found = ended(lab, search_id)
    assert [number for number, _, _ in found] == [*range(TRIALS)]
    assert len(lab.store.members(search_id)) == TRIALS
    assert found == ended(lab, begin(lab, pace=0))
