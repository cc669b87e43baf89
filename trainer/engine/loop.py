"""The training loop, in the order in which things happen.

Fast by design: the data set lies in memory on the device and batches are picked by index; small parameters share a vector
(see flat.py); on a GPU nothing is read back between steps. Everything random has a stream of its own (see streams.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from trainer.config import RunConfig
from trainer.engine import checkpoint, hot, kept
from trainer.engine.build import BuiltRun, build
from trainer.engine.datasplit import Part, batch_order, batch_sizes
from trainer.engine.kept import Why
from trainer.engine.meter import Meter, measure_epoch
from trainer.engine.non_finite_guard import NonFiniteError, NonFiniteGuard
from trainer.engine.observer import MakeObserver, NoObserver
from trainer.engine.processor_wait import waited
from trainer.engine.report import Results, RunReporter, facts, not_begun, results, total_steps
from trainer.engine.state import State, branch, copied, restore, snapshot, weights_copy
from trainer.lazy import lazy
from trainer.lifecycle.hot_knobs import waits_for_epoch
from trainer.lifecycle.requests import Request, RequestKind
from trainer.metrics.context import Epoch
from trainer.techniques.precision import autocast
from trainer.techniques.schedules import Moment, Rates, set_rates

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

T = TypeVar("T")
Training = Generator["Trainer", str, T]
"""A run that somebody else trains: it yields its trainer when all is ready for the next step, and is sent what ended training,
or thrown the error that did."""

RequestSource = Callable[[], Request | None]
"""Returns the request that the loop has to answer next, or None. It is called at every step, so it must cost nearly nothing."""

EVALUATION_BATCH = 4096  # samples; large enough to be fast, small enough for any memory
MAX_LATENESS = 0.02  # seconds that slow motion makes up for; timers are that coarse, eyes are not
# Seconds of training at least between two, of all runs in the process: an epoch of a small one takes milliseconds.
CHECKPOINT_EVERY = 1.0
# Parameters: larger networks take longer than a second for an epoch, and memory is short.
MOST_COPIED = 4_000_000
KEPT_BYTES = 100_000_000  # of one run's kept checkpoints, where nobody says otherwise


def train(
    config: RunConfig,
    *,
    data_folder: Path,
    run_folder: Path | None,
    recorder: RunReporter,
    control: RequestSource = lambda: None,
    observe: MakeObserver = NoObserver,
    room: Callable[[], int] = lambda: KEPT_BYTES,
    branched: bool = False,
) -> Results:
    """Trains one configuration to its end, or until `control` requests to leave; resumes from `run_folder` if it can.

    Without a `run_folder` nothing is saved. The checkpoints that it keeps to branch from may take `room` bytes. A `branched`
    run begins at the checkpoint of another run that lies in its folder. Raises ConfigError or DataError when the run cannot
    begin; a loss that is no longer finite ends the run with `stopped_by="non_finite_loss"` and a sentence in `error`.
    """
    return alone(
        training(
            config,
            data_folder=data_folder,
            run_folder=run_folder,
            recorder=recorder,
            control=control,
            observe=observe,
            room=room,
            branched=branched,
        )
    )


def alone(run: Training[T]) -> T:
    """Trains a run by itself, and returns what it returns."""
    try:
        trainer = next(run)
        try:
            reason = trainer.run_epochs()
        except BaseException as error:
            run.throw(error)
        else:
            run.send(reason)
    except StopIteration as end:
        result: T = end.value
        return result
    raise RuntimeError("A run went on after its training had ended.")


def training(
    config: RunConfig,
    *,
    data_folder: Path,
    run_folder: Path | None,
    recorder: RunReporter,
    control: RequestSource,
    observe: MakeObserver,
    room: Callable[[], int] = lambda: KEPT_BYTES,
    branched: bool = False,
) -> Training[Results]:
    """What `train` does before and after the steps themselves, for whoever trains them."""
    torch.set_num_threads(1)  # two runs with a thread each beat one run with two; and sums keep their order
    try:
        run = build(config, data_folder, partial(preparing, recorder, control))
    except Left as left:
        return not_begun(config, left.request.kind)
    state = initial_state(run, run_folder, recorder, branched=branched)
    recorder.progress(facts(run, state))
    trainer = Trainer(run, state, run_folder, recorder, control, observe, room)
    try:
        reason = yield trainer
        if reason not in ("epochs", "early_stopping"):
            # A step that is not finite must not reach a checkpoint.
            trainer.guard.check_pending(run.optimizer.param_groups[0]["lr"])
            if reason == RequestKind.STOP:
                trainer.observer.at_end(state.step, state.epoch, None)
            trainer.save_and_leave(Why.LAST)
            return results(run, state, reason)
    except NonFiniteError as error:
        trainer.observer.at_failure(state.step)
        trainer.keep([])  # the best state from before
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
        room: Callable[[], int] = lambda: KEPT_BYTES,
    ) -> None:
        self.run, self.state, self.folder, self.room = run, state, folder, room
        self.recorder, self.control = recorder, control
        self.sizes = batch_sizes(len(run.data.train), run.config.batch_size)
        self.started = time.perf_counter() - state.seconds
        self.saved_at = self.due = time.perf_counter()
        self.waited_at = waited()
        self.best: dict[str, Any] | None = None
        self.together = 1  # runs that this process trains in lockstep
        self.guard, self.meter = NonFiniteGuard(run), Meter(run.weights, state.seconds)
        self.observer = observe(run, state.step)

    def run_epochs(self) -> str:
        """Trains epoch after epoch. Returns "epochs", "early_stopping", or the kind of request that ended it."""
        reason = self.state.finished
        while not reason:
            reason = self.go_on(self.train_epoch())
        return reason

    def go_on(self, request: Request | None) -> str:
        """Does what is due after `train_epoch` returned this. Returns what ends training, or nothing."""
        if request is None:
            self.end_epoch()
            self.save_epoch()
        elif request.leaves:
            return request.kind
        else:
            self.adjust(request)
        return self.state.finished

    def train_epoch(self) -> Request | None:
        """Trains what is left of a pass over the training part. Returns a request as soon as there is one, between two steps."""
        run, state, control = self.run, self.state, self.control
        model, optimizer, scaler, weights = run.model, run.optimizer, run.precision.scaler, run.weights
        inputs, targets = run.data.train.inputs, run.data.train.targets
        augment, observer, step = run.augment, self.observer, self.meter.step
        model.train()
        forward = autocast(run.precision, run.device)
        for index, rate in zip(self.batches(), self.rates(), strict=True):
            if (request := control()) and self.is_due(request):
                return request
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
            self.before_update(loss, weights.norm(), len(index), rate)
            try:
                self.guard.check(state, step.lr, step.loss, step.grad_norm)
                scaler.step(optimizer)  # skips the step where float16 overflowed
                scaler.update()
                self.guard.after_step()
            finally:  # the step at which training fails is recorded, too
                self.record()
            self.after_update(outputs.detach(), wanted)
        return None

    def before_update(self, loss: torch.Tensor, norm: torch.Tensor, samples: int, rate: Rates) -> None:
        """Measures and clips the gradients of a step."""
        state, step, guard = self.state, self.meter.step, self.guard
        self.observer.after_backward(state.step + 1)
        step.loss, step.grad_norm = guard.read(loss, norm)
        clipped = self.run.clip(self.run.weights.gradients(), norm)
        state.step += 1
        state.batch += 1
        step.number, step.samples, step.lr = state.step, samples, rate.lr
        step.clipped = math.nan if clipped is None else clipped
        step.loss_scale = guard.loss_scale(state.step)
        self.meter.before_update()

    def record(self) -> None:
        """Records a step."""
        self.recorder.step(self.meter.point(time.perf_counter() - self.started))

    def after_update(self, outputs: torch.Tensor, wanted: torch.Tensor) -> None:
        """Keeps what the end of the epoch needs of a step that was taken."""
        state = self.state
        self.observer.after_step(state.step)
        state.batch_losses.append(self.meter.step.loss)
        state.outputs.append(outputs)
        if self.run.config.mixing.name != "none":
            state.mixed_targets.append(wanted)

    def due_request(self) -> Request | None:
        """Returns the request that has to be answered before the next step."""
        request = self.control()
        return request if request and self.is_due(request) else None

    def is_due(self, request: Request) -> bool:
        """Whether a request has to be answered now. A change that an earlier attempt has recorded waits for its step, and a new
        one until that attempt's steps are trained again."""
        if request.kind is not RequestKind.CHANGE:
            return True
        if (step := request.payload.get("step")) is not None:
            return bool(self.state.step >= step)
        begins = self.state.batch == 0 or not waits_for_epoch(request.payload["values"])
        return begins and bool(self.state.step >= request.payload.get("after", 0))

    def adjust(self, request: Request) -> None:
        """Answers a request that the run trains on after. A pause that was taken back in time has changed nothing."""
        if request.kind is RequestKind.CHANGE:
            if request.payload["number"] > self.state.changes:  # else the checkpoint has it already
                self.change(request)
            request = Request(request.kind, {"step": self.state.step, **request.payload})
        elif request.kind is RequestKind.MARK:
            self.save(Why.MARKED)
        self.recorder.handled(request)

    def change(self, request: Request) -> None:
        """Trains on with other hot knobs."""
        run, state = self.run, self.state
        hot.apply(run, run.config.changed(request.payload["values"]))
        state.changes = request.payload["number"]
        self.sizes = batch_sizes(len(run.data.train), run.config.batch_size)
        self.recorder.progress(facts(run, state))

    def batches(self) -> Iterator[torch.Tensor]:
        """Index tensors of this epoch's remaining batches; the order depends on seed and epoch alone."""
        order = self.order().to(self.run.device)
        return iter(order.split(self.sizes)[self.state.batch :])

    def order(self) -> torch.Tensor:
        """The permutation of the training samples in this epoch."""
        return batch_order(self.run.config.seed_for("order"), self.state.epoch, len(self.run.data.train))

    def rates(self) -> list[Rates]:
        """The learning rate of each remaining batch of this epoch."""
        run, state, batches = self.run, self.state, len(self.sizes)
        total, first = total_steps(run, state), state.step - state.batch

        def at(batch: int) -> Rates:
            step = first + batch
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
            while not self.due_request() and (left := self.due - time.perf_counter()) > 0:
                time.sleep(min(left, 0.05))

    @property
    def interrupted(self) -> bool:
        """Whether the process has to leave at once."""
        request = self.control()
        return request is not None and request.kind is RequestKind.INTERRUPT

    def save_epoch(self) -> None:
        """Writes a checkpoint at the end of an epoch, at most one a second: saving must not slow training. The best state so
        far is copied meanwhile, and written with the next one."""
        best = self.state.best.get("epoch") == self.state.epoch
        if self.save_is_due():
            self.save(Why.EPOCH, *[Why.BEST] * best)
        elif best and self.folder is not None and self.run.parameters <= MOST_COPIED:
            self.best = copied(snapshot(self.run, self.state))

    def save_is_due(self) -> bool:
        """Whether the run has trained long enough since its last checkpoint. Waiting for a processor does not count: thirty runs
        that share two cores would else spend them on checkpoints."""
        every, passed = CHECKPOINT_EVERY * self.together, time.perf_counter() - self.saved_at
        return passed > every and passed - (waited() - self.waited_at) > every

    def save_and_leave(self, *reasons: Why) -> None:
        """Writes the last checkpoint of this process: waits for a full disk to be freed, unless told to leave at once."""
        while not self.save(*reasons) and not self.interrupted:
            time.sleep(1)
        if self.folder is not None and not self.interrupted:
            try:
                checkpoint.save_weights(self.folder, self.run.model.state_dict())
            except checkpoint.CheckpointError as error:
                self.recorder.notice(str(error))

    def save(self, *reasons: Why) -> bool:
        """Writes a checkpoint from which the run resumes exactly, and keeps it to branch from where there are reasons to.
        Returns False when the disk is full; the run continues."""
        self.state.seconds = time.perf_counter() - self.started
        self.state.skipped_steps += self.guard.skipped_steps()
        if self.folder is not None:
            try:
                checkpoint.save(self.folder, snapshot(self.run, self.state), self.recorder.flush)
                self.keep(reasons)
            except checkpoint.CheckpointError as error:
                self.recorder.notice(str(error))
                return False
            finally:
                self.saved_at, self.waited_at = time.perf_counter(), waited()
        return True

    def keep(self, reasons: Collection[Why]) -> None:
        """Keeps the checkpoint that was just written, and the copy of the best state where there is a newer one. A notice says
        what cannot be kept; the run continues."""
        best, self.best = None if Why.BEST in reasons else self.best, None
        if self.folder is None:
            return
        try:
            if best:
                kept.keep(self.folder, State(**best["state"]), Why.BEST, self.room, best)
            for why in reasons:
                kept.keep(self.folder, self.state, why, self.room)
        except checkpoint.CheckpointError as error:
            self.recorder.notice(str(error))


def initial_state(
    run: BuiltRun, folder: Path | None, recorder: RunReporter, *, branched: bool = False
) -> State:
    """Returns the state to continue from: the checkpoint's, that at which a branched run begins, or a new one."""
    for notice in run.notices:
        recorder.notice(notice)
    saved, problems = checkpoint.load(folder) if folder is not None else (None, [])
    for problem in problems:
        recorder.notice(problem)
    if saved is not None:
        return restore(run, saved)
    return branch(run, checkpoint.load_origin(folder)) if branched and folder is not None else State()


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
        # Those restored below have no optimizer state from which a branch could go on.
        trainer.save(Why.LAST)
        run.model.load_state_dict(state.best_weights)
        trainer.recorder.notice(
            f"The weights of epoch {state.best['epoch']:.0f}, the best on validation, are restored."
        )
    ended = results(run, state, reason, restored=restored)
    outputs = predict(run, run.data.validation.inputs)
    trainer.observer.at_end(state.step, state.epoch, outputs)
    ended.validation = dict(judge(run, outputs, run.data.validation))
    ended.test = dict(evaluate(run, run.data.test))
    trainer.save_and_leave(*[Why.LAST] * (not restored))
    return ended
