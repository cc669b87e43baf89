"""Who trains: the newest run of each person at once, further ones on cores that are left, and turns where not all fit.

A person *leads* with the newest that they started: a run, or a comparison, from which one run leads at a time. The trials of
a search come by themselves, so they never lead before what the person has started by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

MIN_TURN = 2.0
"""Seconds that every run trains once it has begun, whoever comes: to begin again costs nearly as much."""
MOST_PREPARATION = 1 / 3
"""What beginning may take of a turn: one whose data take long to prepare has a longer turn."""


class Waits(Protocol):
    """What waits: the smaller its place, the longer it has been queued."""

    @property
    def owner(self) -> str: ...
    @property
    def place(self) -> int: ...


class Queued(Waits, Protocol):
    """A queued run: `launch` orders what a person has started, the newest last; 0 for a trial of a search."""

    @property
    def launch(self) -> int: ...
    @property
    def comparison(self) -> int | None: ...


W = TypeVar("W", bound=Waits)
Q = TypeVar("Q", bound=Queued)


@dataclass(frozen=True)
class InTraining:
    """A run in training: the seconds since its first step (None before), and those of its turn; whether it is leaving."""

    run_id: int
    owner: str
    launch: int = 0
    comparison: int | None = None
    trained: float | None = None
    turn: float = 0.0
    leaving: bool = False

    def has_had(self, seconds: float) -> bool:
        """Whether it has trained for so long."""
        return self.trained is not None and self.trained >= seconds

    def is_part_of(self, comparison: int | None) -> bool:
        """Whether it belongs to this comparison."""
        return comparison is not None and comparison == self.comparison


def next_run(queued: Iterable[W], training: Sequence[str], served: Mapping[str, int]) -> W | None:
    """Returns the run to start next. Owners take turns: first whoever has the fewest runs in training, then whoever was
    served longest ago (`served`: owner → number of the turn); within an owner first come, first served. The first of each
    owner is therefore enough of a queue."""

    def turn(run: W) -> tuple[int, int, int]:
        return training.count(run.owner), served.get(run.owner, -1), run.place

    return min(queued, key=turn, default=None)


def is_due(run: Queued, training: Sequence[InTraining], cores: int) -> bool:
    """Whether the newest of a person has to start at once: nothing as new of theirs trains. Whoever presses Start again and
    again waits a moment each time, until what they started before has begun and had its shortest turn."""
    own = [one for one in training if one.owner == run.owner]
    if len(own) > cores or any(one.is_part_of(run.comparison) for one in own):
        return False
    newest = max(own, key=lambda one: one.launch, default=None)
    return newest is None or (newest.launch < run.launch and newest.has_had(MIN_TURN))


def next_start(
    newest: Iterable[Q],
    first: Iterable[Q],
    training: Sequence[InTraining],
    cores: int,
    served: Mapping[str, int],
) -> Q | None:
    """Returns the run to start next: of those that are due, then, while a core is left, of each person's `first` in line."""
    owners = [one.owner for one in training]
    due = next_run((run for run in newest if is_due(run, training, cores)), owners, served)
    if due is not None:
        return due
    return next_run(first, owners, served) if len(training) < cores else None


def leads(training: Iterable[InTraining]) -> dict[str, InTraining]:
    """Returns the newest of each person that trains and stays."""
    found: dict[str, InTraining] = {}
    for one in training:
        if not one.leaving and (one.owner not in found or one.launch > found[one.owner].launch):
            found[one.owner] = one
    return found


def who_leaves(
    waiting: Sequence[Queued], first: Sequence[Queued], training: Sequence[InTraining], cores: int
) -> list[int]:
    """Returns the runs that have to make room: for those that are due but do not fit (`waiting`), for cores that people's
    newest runs need, and for the first in line of others who train less."""
    leading, staying = leads(training), [one for one in training if not one.leaving]
    further = [one for one in staying if leading[one.owner] is not one]
    counts = Counter(one.owner for one in staying)
    further.sort(key=lambda one: (-counts[one.owner], -(one.trained or 0.0)))
    too_many = len(further) - max(0, cores - len(leading))
    leaves = [one for one in further if one.has_had(MIN_TURN)][: max(0, too_many)]
    leaves += _for_those_who_wait(
        waiting, [one for one in staying if one not in leaves], further, training, leaves
    )
    if not leaves and too_many == 0 and len(staying) == len(training):
        leaves += _for_another(first, further, counts)
    return [one.run_id for one in leaves]


def _for_those_who_wait(
    waiting: Sequence[Queued],
    staying: Sequence[InTraining],
    further: Sequence[InTraining],
    training: Sequence[InTraining],
    leaving: Sequence[InTraining],
) -> list[InTraining]:
    """One leaves for each that waits: one of the same person, a further one, or one whose turn is over."""
    found: list[InTraining] = []
    promised = sum(one.leaving for one in training) + len(leaving)
    for run in waiting[promised:]:
        left = [one for one in staying if one not in found]
        own = [one for one in left if one.owner == run.owner and one.has_had(MIN_TURN)]
        spare = [one for one in left if one in further and one.has_had(MIN_TURN)]
        over = [one for one in left if one.has_had(max(one.turn, MIN_TURN))]
        if leaver := max(own or spare or over, key=lambda one: one.trained or 0.0, default=None):
            found.append(leaver)
    return found


def _for_another(
    first: Sequence[Queued], further: Sequence[InTraining], counts: Mapping[str, int]
) -> list[InTraining]:
    """The further run of somebody whose turn is over, while another who trains less waits."""
    over = [one for one in further if one.has_had(max(one.turn, MIN_TURN))]
    return [one for one in over if any(counts.get(run.owner, 0) < counts[one.owner] for run in first)][:1]
