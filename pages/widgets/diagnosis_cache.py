"""Diagnoses of runs, cached: a rerun of a page on which nothing changed reads no series."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock
from weakref import WeakKeyDictionary

from sqlalchemy.engine import Engine

from trainer.config import RunConfig
from trainer.diagnosis import Finding, diagnose, gather, milestone
from trainer.lifecycle.states import RunState
from trainer.store import Run, Store

LOG = logging.getLogger(__name__)
MAX_CACHED = 2_000


@dataclass(frozen=True)
class Diagnosis:
    """The findings of a run. `judged` is False where there is too little evidence, or the run is not to be judged. Of a run whose
    knobs changed, `config` is what it has `since` that step; fixes change that."""

    findings: tuple[Finding, ...] = ()
    judged: bool = False
    config: RunConfig | None = None
    since: int = 0


_caches: WeakKeyDictionary[Engine, OrderedDict[Hashable, Diagnosis]] = WeakKeyDictionary()
_lock = Lock()


def diagnosis_of(store: Store, run: Run) -> Diagnosis:
    """Returns the diagnosis of a run as it is now. While it trains, only milestones renew it."""
    passed = milestone(run)
    if run.status is RunState.QUEUED or not (run.is_over or passed >= 2):  # a finding takes two milestones
        return Diagnosis()
    key = (run.id, run.changes, run.status if run.is_over else "", run.ended, 0 if run.is_over else passed)
    with _lock:
        cache = _caches.setdefault(store.engine, OrderedDict())
        if key in cache:
            cache.move_to_end(key)
            return cache[key]
    evidence = gather(store, run)
    found = Diagnosis()
    if evidence is not None:
        try:
            findings = tuple(diagnose(evidence))
            found = Diagnosis(findings, evidence.long_enough, evidence.config, evidence.since)
        except ArithmeticError:  # curves of an imported run may hold any number; its page opens all the same
            LOG.warning("Run %d could not be diagnosed.", run.id, exc_info=True)
    with _lock:
        cache[key] = found
        while len(cache) > MAX_CACHED:
            cache.popitem(last=False)
    return found
