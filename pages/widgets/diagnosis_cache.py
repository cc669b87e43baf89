"""What the diagnosis says of runs, remembered: a rerun of a page on which nothing changed reads no series."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock
from weakref import WeakKeyDictionary

from trainer.diagnosis import Finding, diagnose, gather, milestone
from trainer.lifecycle.states import RunState
from trainer.store import Run, Store

MOST = 2_000


@dataclass(frozen=True)
class Verdict:
    """The findings of a run; `judged` is False where there is too little to judge, or nothing is to be."""

    findings: tuple[Finding, ...] = ()
    judged: bool = False


_known: WeakKeyDictionary[Store, OrderedDict[Hashable, Verdict]] = WeakKeyDictionary()
_lock = Lock()


def verdict(store: Store, run: Run) -> Verdict:
    """The verdict on a run as it stands. While it trains, that is looked at anew at milestones only."""
    passed = milestone(run)
    if run.status is RunState.QUEUED or not (run.is_over or passed >= 2):  # a finding takes two milestones
        return Verdict()
    key = (run.id, run.status if run.is_over else "", run.ended, 0 if run.is_over else passed)
    with _lock:
        cache = _known.setdefault(store, OrderedDict())
        if key in cache:
            cache.move_to_end(key)
            return cache[key]
    evidence = gather(store, run)
    found = Verdict() if evidence is None else Verdict(tuple(diagnose(evidence)), evidence.long_enough)
    with _lock:
        cache[key] = found
        while len(cache) > MOST:
            cache.popitem(last=False)
    return found
