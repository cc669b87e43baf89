"""The training loop, in the order in which things happen.

Fast by design: the data set lies in memory on the device and batches are picked by index; small parameters share a vector
(see flat.py); on a GPU nothing is read back between steps. Everything random has a stream of its own (see streams.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.config import RunConfig
from trainer.engine import checkpoint
from trainer.engine.build import BuiltRun, build
from trainer.engine.datasplit import Part, batch_order, batch_sizes
from trainer.engine.meter import Meter, measure_epoch
from trainer.engine.non_finite_guard import NonFiniteError, NonFiniteGuard
from trainer.engine.observer import MakeObserver, NoObserver
from trainer.engine.report import Results, RunReporter, facts, not_begun, results
from trainer.engine.state import State, restore, snapshot, weights_copy
from trainer.lazy import lazy
from trainer.lifecycle.requests import Request, RequestKind
from trainer.metrics.context import Epoch
from trainer.techniques.precision import autocast
from trainer.techniques.schedules import Moment, Rates, set_rates

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

RequestSource = Callable[[], Request | None]
"""Returns the request that the loop has to answer next, or None. It is called at every step, so it must cost nearly nothing."""

EVALUATION_BATCH = 4096  # samples; large enough to be fast, small enough for any memory
MAX_LATENESS = 0.02  # seconds that slow motion makes up for; timers are that coarse, eyes are not
CHECKPOINT_EVERY = 1.0  # seconds at least between two: an epoch of a small run takes milliseconds


def train(
    config: RunConfig,
    *,
    data_folder: Path,
    run_folder: Path | None,
    recorder: RunReporter,
    control: RequestSource = lambda: None,
    observe: MakeObserver = NoObserver,
) -> Results:
    """Trains one configuration to its end, or until `control` requests to leave; resumes from `run_folder` if it can.

    Without a `run_folder` nothing is saved. Raises ConfigError or DataError when the run cannot begin; a loss that is no
    longer finite ends the run with `stopped_by="non_finite_loss"` and a sentence in `error`.
    """
    torch.set_num_threads(1)  # two runs with a thread each beat one run with two; and sums keep their order
    try:
        run = build(config, data_folder, partial(preparing, recorder, control))
    except Left as left:
        return not_begun(config, left.request.kind)
    state = initial_state(run, run_folder, recorder)
    recorder.progress(facts(run, state))
    trainer = Trainer(run, state, run_folder, recorder, control, observe)
    try:
        reason = trainer.run_epochs()
        if reason not in ("epochs", "early_stopping"):
            # A step that is not finite must not reach a checkpoint.
            trainer.guard.check_pending(run.optimizer.param_groups[0]["lr"])
            if reason == RequestKind.STOP:
                trainer.observer.at_end(state.step, state.epoch, None)
            trainer.save_and_leave()
            return results(run, state, reason)
    except NonFiniteError as error:
        trainer.observer.at_failure(state.step)
        state.seconds = time.perf_counter() - trainer.started
        return results(run, state, "non_finite_loss", error=str(error))
    return finish(run, state, reason, trainer)


class Left(BaseException):
    """A request to leave before the first step. It is no error, so nothing that handles errors may catch it."""

    def __init__(self, request: Request) -> None:
        self.request = request


def preparing(recorder: RunReporter, control: RequestSource, done: int, total: int) -> None:
    """Reports how much of the training data is prepared. Raises Left on a request to leave."""
    recorder.progress({"preparing": [done, total]})
    if (request := control()) and request.leaves:
        raise Left(request)


class Trainer:
    """One run under way: the epochs, the batches, and when to save."""

    def __init__(
        self,
        run: BuiltRun,
        state: State,
        folder: Path | None,
        recorder: RunReporter,
        control: RequestSource,
        observe: MakeObserver = NoObserver,
    ) -> None:
        self.run, self.state, self.folder = run, state, folder
        self.recorder, self.control = recorder, control
        self.sizes = batch_sizes(len(run.data.train), run.config.batch_size)
        self.started = time.perf_counter() - state.seconds
        self.saved_at = self.due = time.perf_counter()
        self.guard, self.meter = NonFiniteGuard(run), Meter(run.weights, state.seconds)
        self.observer = observe(run, state.step)

    def run_epochs(self) -> str:
        """Trains epoch after epoch. Returns "epochs", "early_stopping", or the kind of request that ended it."""
        state = self.state
        while not state.finished:
            if request := self.train_epoch():
                return request.kind
            self.end_epoch()
            if time.perf_counter() - self.saved_at > CHECKPOINT_EVERY:
                self.save()
        return state.finished

    def train_epoch(self) -> Request | None:
        """Trains one pass over the training part. Returns a request to leave as soon as there is one, between two steps."""
        run, state, recorder, control = self.run, self.state, self.recorder, self.control
        model, optimizer, scaler, weights = run.model, run.optimizer, run.precision.scaler, run.weights
        inputs, targets = run.data.train.inputs, run.data.train.targets
        augment, mixes, observer = run.augment, run.config.mixing.name != "none", self.observer
        meter, step = self.meter, self.meter.step
        model.train()
        forward = autocast(run.precision, run.device)
        for index, rate in zip(self.batches(), self.rates(), strict=True):
            while request := control():
                if request.leaves:
                    return request
                self.adjust(request)
            self.keep_pace()
            set_rates(optimizer, rate)
            batch, wanted = inputs.index_select(0, index), targets.index_select(0, index)
            if augment is not None:
                batch, wanted = augment(batch, wanted, state.step)
            weights.clear()
            observer.before_forward(state.step + 1)
            with forward:
                outputs = model(batch)
            loss = run.loss(outputs, wanted)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)  # so that norm and clipping see true gradients
            norm = weights.norm()
            observer.after_backward(state.step + 1)
            step.loss, step.grad_norm = self.guard.read(loss, norm)
            clipped = run.clip(weights.gradients(), norm)
            state.step += 1
            state.batch += 1
            step.number, step.samples, step.lr = state.step, len(index), rate.lr
            step.clipped = math.nan if clipped is None else clipped
            step.loss_scale = self.guard.loss_scale(state.step)
            meter.before_update()
            try:
                self.guard.check(state, step.lr, step.loss, step.grad_norm)
                scaler.step(optimizer)  # skips the step where float16 overflowed
                scaler.update()
                self.guard.after_step()
            finally:  # the step at which training fails is recorded, too
                recorder.step(meter.point(time.perf_counter() - self.started))
            observer.after_step(state.step)
            state.batch_losses.append(step.loss)
            state.outputs.append(outputs.detach())
            if mixes:
                state.mixed_targets.append(wanted)
        return None

    def adjust(self, request: Request) -> None:
        """Answers a request that the run trains on after. A pause that was taken back in time has changed nothing."""
        self.recorder.handled(request)

    def batches(self) -> Iterator[torch.Tensor]:
        """Index tensors of this epoch's remaining batches; the order depends on seed and epoch alone."""
        order = self.order().to(self.run.device)
        return iter(order.split(self.sizes)[self.state.batch :])

    def order(self) -> torch.Tensor:
        """The permutation of the training samples in this epoch."""
        return batch_order(self.run.config.seed, self.state.epoch, len(self.run.data.train))

    def rates(self) -> list[Rates]:
        """The learning rate of each remaining batch of this epoch."""
        run, state, batches = self.run, self.state, len(self.sizes)
        total = batches * run.config.epochs

        def at(batch: int) -> Rates:
            step = state.epoch * batches + batch
            return run.schedule(Moment(step, state.epoch, total, run.config.epochs, state.validation_losses))

        if run.schedule_per_step:
            return [at(batch) for batch in range(state.batch, batches)]
        return [at(0)] * (batches - state.batch)

    def end_epoch(self) -> None:
        """Measures, remembers the best, and decides whether to continue; uses the training and validation parts only."""
        run, state = self.run, self.state
        self.guard.check_pending(run.optimizer.param_groups[0]["lr"])
        if state.mixed_targets:
            targets = torch.cat(state.mixed_targets)
        else:
            targets = run.data.train.targets[self.order().to(run.device)]
        losses = [float(loss) for loss in state.batch_losses]
        weighted = (loss * size for loss, size in zip(losses, self.sizes, strict=True))
        outputs = predict(run, run.data.validation.inputs)
        validation = judge(run, outputs, run.data.validation)
        values = {
            "train_loss": math.fsum(weighted) / len(targets),
            "train_metric": run.score(torch.cat(state.outputs), targets),
            "val_loss": validation["loss"],
            "val_metric": validation["metric"],
            "lr": run.optimizer.param_groups[0]["lr"],
        }
        state.batch_losses, state.outputs, state.mixed_targets = [], [], []
        state.epoch, state.batch = state.epoch + 1, 0
        state.last_epoch = values
        state.validation_losses.append(values["val_loss"])
        state.seconds = time.perf_counter() - self.started
        state.skipped_steps += self.guard.skipped_steps()
        patience = run.patience_left(state.validation_losses)
        epoch = Epoch(state.epoch, state.step, state.seconds, patience_left=patience, **values)
        self.recorder.epoch(measure_epoch(epoch))
        if values["val_loss"] < state.best_loss:
            state.best = {"epoch": state.epoch, "step": state.step, **values}
            if run.config.early_stopping.name != "none":
                state.best_weights = weights_copy(run.model)
        self.recorder.progress(facts(run, state))
        self.observer.after_epoch(state.step, state.epoch, outputs)
        if patience <= 0:
            state.finished = "early_stopping"
        elif state.epoch >= run.config.epochs:
            state.finished = "epochs"

    def keep_pace(self) -> None:
        """Waits until the next step is due in slow motion; a request ends the wait."""
        if pace := self.run.config.pace:
            self.due = max(self.due, time.perf_counter() - MAX_LATENESS) + 1 / pace
            while not self.control() and (left := self.due - time.perf_counter()) > 0:
                time.sleep(min(left, 0.05))

    @property
    def interrupted(self) -> bool:
        """Whether the process has to leave at once."""
        request = self.control()
        return request is not None and request.kind is RequestKind.INTERRUPT

    def save_and_leave(self) -> None:
        """Writes the last checkpoint of this process: waits for a full disk to be freed, unless told to leave at once."""
        while not self.save() and not self.interrupted:
            time.sleep(1)
        if self.folder is not None and not self.interrupted:
            try:
                checkpoint.save_weights(self.folder, self.run.model.state_dict())
            except checkpoint.CheckpointError as error:
                self.recorder.notice(str(error))

    def save(self) -> bool:
        """Writes a checkpoint from which the run resumes exactly. Returns False when the disk is full; the run continues."""
        self.state.seconds = time.perf_counter() - self.started
        self.state.skipped_steps += self.guard.skipped_steps()
        if self.folder is not None:
            try:
                checkpoint.save(self.folder, snapshot(self.run, self.state), self.recorder.flush)
            except checkpoint.CheckpointError as error:
                self.recorder.notice(str(error))
                return False
            finally:
                self.saved_at = time.perf_counter()
        return True


def initial_state(run: BuiltRun, folder: Path | None, recorder: RunReporter) -> State:
    """Returns the state to continue from: the checkpoint's, or a new one."""
    for notice in run.notices:
        recorder.notice(notice)
    saved, problems = checkpoint.load(folder) if folder is not None else (None, [])
    for problem in problems:
        recorder.notice(problem)
    return restore(run, saved) if saved is not None else State()


def evaluate(run: BuiltRun, part: Part) -> dict[str, float]:
    """Loss and metric of a part in evaluation mode: no dropout, running statistics."""
    return judge(run, predict(run, part.inputs), part)


def predict(run: BuiltRun, inputs: torch.Tensor) -> torch.Tensor:
    """Outputs [n, outputs] in evaluation mode."""
    run.model.eval()
    with torch.no_grad(), autocast(run.precision, run.device):
        return torch.cat([run.model(batch).float() for batch in inputs.split(EVALUATION_BATCH)])


def judge(run: BuiltRun, outputs: torch.Tensor, part: Part) -> dict[str, float]:
    """Loss and metric of outputs for a part."""
    return {
        "loss": float(run.evaluation_loss(outputs, part.targets)),
        "metric": run.score(outputs, part.targets),
    }


def finish(run: BuiltRun, state: State, reason: str, trainer: Trainer) -> Results:
    """Restores the best weights if early stopping kept them, measures on the test part for the only time, and saves."""
    restored = state.best_weights is not None
    if state.best_weights is not None:
        run.model.load_state_dict(state.best_weights)
        trainer.recorder.notice(
            f"The weights of epoch {state.best['epoch']:.0f}, the best on validation, are restored."
        )
    ended = results(run, state, reason, restored=restored)
    outputs = predict(run, run.data.validation.inputs)
    trainer.observer.at_end(state.step, state.epoch, outputs)
    ended.validation = dict(judge(run, outputs, run.data.validation))
    ended.test = dict(evaluate(run, run.data.test))
    trainer.save_and_leave()
    return ended
