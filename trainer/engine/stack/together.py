"""Several runs in one process: those at the same step train in lockstep, and the ones furthest behind go first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from trainer.config import RunConfig
from trainer.engine.build import BuiltRun
from trainer.engine.loop import Trainer, Training
from trainer.engine.stack.lockstep import Event, Lockstep
from trainer.engine.stack.network import leaves
from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

T = TypeVar("T")


def train_together(first: Training[T], others: Callable[[Trainer], Iterable[Training[T]]]) -> list[T]:
    """Trains a run, and with it those that `others` finds once it stands ready. Returns what each returned, the first one
    first. What happens to one, such as a stop or an error, leaves the others as they are."""
    members = [Member(first)]
    if members[0].trains:
        members += [Member(one) for one in others(members[0].trainer)]
    lockstep = None
    while training := [member for member in members if member.trains]:
        behind = min(training, key=lambda member: member.place)
        group = [member for member in training if member.place == behind.place and behind.goes_with(member)]
        if len(group) == 1:
            behind.train_epoch()
            continue
        trainers = [member.trainer for member in group]
        if lockstep is None or not lockstep.still_fits(trainers):
            lockstep = Lockstep(trainers)
            for trainer in trainers:
                trainer.together = len(trainers)
                trainer.recorder.progress({"together": len(trainers)})
        events, randoms = lockstep.train_epoch([member.random for member in group])
        over = not any(events)
        for member, event, random in zip(group, events, randoms, strict=True):
            member.random = random
            if over or event is not None:
                member.go_on(event)
    return [member.result for member in members]


class Member(Generic[T]):
    """A run among others: `training` as the loop defines it, and the state of its random stream while others use torch's."""

    result: T
    trainer: Trainer
    random: torch.Tensor

    def __init__(self, training: Training[T]) -> None:
        self.training, self.trains = training, True
        self._advance(lambda: self._stand_ready(next(training)))

    @property
    def place(self) -> tuple[int, int, int]:
        """Where it stands: step, epoch and batch."""
        state = self.trainer.state
        return state.step, state.epoch, state.batch

    def goes_with(self, other: Member[T]) -> bool:
        """Whether both can train in lockstep."""
        mine, yours = self.trainer.run, other.trainer.run
        return self is other or (
            why_alone(mine) is None
            and why_alone(yours) is None
            and differ_in_seeds_only(mine.config, yours.config)
            # Of an upload, the columns that are found depend on the split.
            and mine.data.train.inputs.shape == yours.data.train.inputs.shape
            and mine.parameters == yours.parameters
        )

    def train_epoch(self) -> None:
        """Trains what is left of an epoch by itself."""
        torch.set_rng_state(self.random)
        event: Event
        try:
            event = self.trainer.train_epoch()
        except Exception as error:
            event = error
        self.random = torch.get_rng_state()
        self.go_on(event)

    def go_on(self, event: Event) -> None:
        """Does what is due after an epoch, or after what interrupted it."""
        torch.set_rng_state(self.random)
        self._advance(lambda: self._answer(event))

    def _stand_ready(self, trainer: Trainer) -> None:
        self.trainer, self.random = trainer, torch.get_rng_state()
        if trainer.state.finished:
            self.training.send(trainer.state.finished)

    def _answer(self, event: Event) -> None:
        try:
            if isinstance(event, Exception):
                raise event
            reason = self.trainer.go_on(event)
        except Exception as error:
            self.training.throw(error)
        else:
            if reason:
                self.training.send(reason)

    def _advance(self, step: Callable[[], None]) -> None:
        try:
            step()
        except StopIteration as end:
            self.result, self.trains = end.value, False


def differ_in_seeds_only(one: RunConfig, other: RunConfig) -> bool:
    """Whether two runs have the same configuration but for their seeds."""
    return without_seeds(one) == without_seeds(other)


def without_seeds(config: RunConfig) -> dict[str, Any]:
    """A configuration's values by key, without the seeds of the run."""
    return {key: value for key, value in config.flat().items() if key.split(".")[0] != "seed"}


def why_alone(run: BuiltRun) -> str | None:
    """Says why a run is trained by itself; None where training several in lockstep is faster (tests/bench/stacked_seeds.py)."""
    if run.device.type != "cpu":
        return "It trains on a GPU."
    if run.precision.dtype is not None:
        return "It trains in 16-bit precision."
    if run.config.pace:
        return "It trains in slow motion."
    if len(run.weights.parameters) > 1:
        return "Its layers are so large that calls cost little beside them."
    if not all(is_plain(modules[0]) for modules in leaves([run.model])):
        return "Its network is more than fully connected layers."
    return None


def is_plain(layer: torch.nn.Module) -> bool:
    """Whether a layer looks at vectors: fully connected, a norm, or without parameters."""
    norms = (torch.nn.BatchNorm1d, torch.nn.LayerNorm, torch.nn.GroupNorm)
    return isinstance(layer, (torch.nn.Linear, *norms)) or not any(True for _ in layer.parameters())
