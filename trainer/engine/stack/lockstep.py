"""Trains several runs an epoch at a time, each step of all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.engine.loop import Trainer
from trainer.engine.stack.network import StackedNetwork
from trainer.lazy import lazy
from trainer.lifecycle.requests import Request
from trainer.techniques.schedules import Rates, set_rates

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

Event = Request | Exception | None
"""What interrupted a run's epoch: a request that has to be answered, an error, or nothing."""


class Lockstep:
    """Runs that stand at the same step and differ in nothing but seeds.

    Between two steps each is a run like any other: its weights, gradients, optimizer state and counters are its own.
    """

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        self.trainers = list(trainers)
        runs = [trainer.run for trainer in trainers]
        self.configs = [run.config for run in runs]
        self.generators = [torch.Generator() for _ in runs]
        vectors = [run.weights.parameters[0] for run in runs]
        self.network = StackedNetwork([run.model for run in runs], vectors, self.generators)
        self.optimizer = runs[0].config.bound("optimizer")(vectors, runs[0].config.learning_rate)
        for run, vector in zip(runs, vectors, strict=True):
            self.optimizer.state[vector] = run.optimizer.state[vector]

    def still_fits(self, trainers: Sequence[Trainer]) -> bool:
        """Whether these are the same runs, and none has changed its knobs."""
        return self.trainers == list(trainers) and self.configs == [one.run.config for one in trainers]

    def train_epoch(self, randoms: Sequence[torch.Tensor]) -> tuple[list[Event], list[torch.Tensor]]:
        """Trains what is left of an epoch, up to the first step at which something happens to one of the runs. Returns what
        happened to each, and the state of its random stream; nothing has happened to any when the epoch is over."""
        for generator, state in zip(self.generators, randoms, strict=True):
            generator.set_state(state)
        for trainer in self.trainers:
            trainer.run.model.train()
        batches = zip(*(trainer.batches() for trainer in self.trainers), strict=True)
        rates = zip(*(trainer.rates() for trainer in self.trainers), strict=True)
        events: list[Event] = [None] * len(self.trainers)
        for indices, at in zip(batches, rates, strict=True):
            events = [trainer.due_request() for trainer in self.trainers]
            if any(events):
                break
            events = self.step(indices, at)
            if any(events):
                break
        self.network.unload_buffers()
        return events, [generator.get_state() for generator in self.generators]

    def step(self, indices: Sequence[torch.Tensor], rates: Sequence[Rates]) -> list[Event]:
        """Takes one step of each run. Returns the errors of those that could not, or could not record it."""
        trainers, network = self.trainers, self.network
        prepared = [self.batch(*one) for one in zip(trainers, indices, rates, strict=True)]
        network.load()
        outputs = network(torch.stack([batch for batch, _ in prepared])).unbind()
        losses = [
            trainer.run.loss(output, wanted)
            for trainer, output, (_, wanted) in zip(trainers, outputs, prepared, strict=True)
        ]
        network.backward(losses)
        events: list[Event] = [None] * len(trainers)
        norms = torch._foreach_norm(network.gradients)
        for place, trainer in enumerate(trainers):
            measured = trainer.meter.step
            try:
                trainer.before_update(losses[place], norms[place], len(indices[place]), rates[place])
                trainer.guard.check(trainer.state, measured.lr, measured.loss, measured.grad_norm)
            except Exception as error:
                events[place] = error
        self.update([trainer for trainer, event in zip(trainers, events, strict=True) if event is None])
        for place, trainer in enumerate(trainers):
            try:
                trainer.record()  # the step at which training fails, too
                if events[place] is None:
                    trainer.after_update(outputs[place].detach().clone(), prepared[place][1])
            except Exception as error:
                events[place] = events[place] or error
        return events

    def batch(self, trainer: Trainer, index: torch.Tensor, rate: Rates) -> tuple[torch.Tensor, torch.Tensor]:
        """The next batch of a run, and its targets."""
        run, state = trainer.run, trainer.state
        set_rates(run.optimizer, rate)
        batch = run.data.train.inputs.index_select(0, index)
        wanted = run.data.train.targets.index_select(0, index)
        if run.augment is not None:
            batch, wanted = run.augment(batch, wanted, state.step)
        trainer.observer.before_forward(state.step + 1)
        return batch, wanted

    def update(self, trainers: Sequence[Trainer]) -> None:
        """Lets the optimizer take the step of these runs: in one call, unless one is missing or a schedule has set them apart."""
        groups = [settings(trainer.run.optimizer) for trainer in trainers]
        if len(trainers) == len(self.trainers) and all(group == groups[0] for group in groups):
            self.optimizer.param_groups[0].update(groups[0])
            self.optimizer.step()
        else:
            for trainer in trainers:
                trainer.run.optimizer.step()


def settings(optimizer: torch.optim.Optimizer) -> dict[str, object]:
    """What an optimizer's only group says besides its parameters."""
    return {name: value for name, value in optimizer.param_groups[0].items() if name != "params"}
