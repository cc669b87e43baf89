"""What a run reports: row by row while it trains, and once when it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from trainer.config import RunConfig
from trainer.engine.build import BuiltRun
from trainer.engine.datasplit import batch_sizes
from trainer.engine.state import State
from trainer.lifecycle.requests import Request
from trainer.metrics.registry import Point


class RunReporter(Protocol):
    """Receives what a run reports. All but `flush` return at once; writing happens elsewhere."""

    def step(self, point: Point) -> None:
        """One optimizer step: a value for each per-step metric."""

    def epoch(self, point: Point) -> None:
        """One finished epoch: a value for each per-epoch metric."""

    def progress(self, facts: dict[str, Any]) -> None:
        """Facts of the run besides its curves: device, precision, parameters, total steps, epoch."""

    def notice(self, text: str) -> None:
        """A sentence that the person should read."""

    def handled(self, request: Request) -> None:
        """The request was answered, and the run trains on: `control` returns it no more. A change of knobs has its step now."""

    def flush(self) -> None:
        """Returns once everything reported so far is safe."""


@dataclass
class Results:
    """How a run ended. Losses and metrics are None where they were not measured."""

    stopped_by: str
    train: dict[str, float | None]
    validation: dict[str, float | None]
    test: dict[str, float | None]
    best: dict[str, float]
    restored_best: bool
    metric: str
    unit: str
    epochs: int
    steps: int
    skipped_steps: int
    seconds: float
    parameters: int
    device: str
    precision: str
    error: str | None
    config: dict[str, Any]

    @property
    def steps_per_second(self) -> float:
        """Average over the whole run, evaluation and checkpoints included."""
        return self.steps / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**self.__dict__, "steps_per_second": self.steps_per_second}


def results(
    run: BuiltRun, state: State, reason: str, *, error: str | None = None, restored: bool = False
) -> Results:
    """What is known about the run now."""
    last = state.last_epoch
    return Results(
        stopped_by=reason,
        train={"loss": last.get("train_loss"), "metric": last.get("train_metric")},
        validation={"loss": last.get("val_loss"), "metric": last.get("val_metric")},
        test={"loss": None, "metric": None},
        best=state.best,
        restored_best=restored,
        metric=run.metric,
        unit=run.data.samples.unit,
        epochs=state.epoch,
        steps=state.step,
        skipped_steps=state.skipped_steps,
        seconds=state.seconds,
        parameters=run.parameters,
        device=run.device.type,
        precision=run.config.precision.name,
        error=error,
        config=run.start.to_dict(),
    )


def not_begun(config: RunConfig, reason: str) -> Results:
    """A run that was asked to leave while its data was prepared: nothing is measured, and nothing lost."""
    nothing: dict[str, float | None] = {"loss": None, "metric": None}
    return Results(
        stopped_by=reason,
        train=nothing,
        validation=nothing,
        test=nothing,
        best={},
        restored_best=False,
        metric="",
        unit="",
        epochs=0,
        steps=0,
        skipped_steps=0,
        seconds=0.0,
        parameters=0,
        device="",
        precision=config.precision.name,
        error=None,
        config=config.to_dict(),
    )


def total_steps(run: BuiltRun, state: State) -> int:
    """Returns the steps of the whole run: those until this epoch, and those of all epochs from this one on."""
    batches = len(batch_sizes(len(run.data.train), run.config.batch_size))
    return state.step - state.batch + batches * (run.config.epochs - state.epoch)


def facts(run: BuiltRun, state: State) -> dict[str, Any]:
    """What the page shows about a run before its first step."""
    batches = len(batch_sizes(len(run.data.train), run.config.batch_size))
    return {
        "device": run.device.type,
        "precision": run.config.precision.name,
        "parameters": run.parameters,
        "epochs": run.config.epochs,
        "total_steps": total_steps(run, state),
        "steps_per_epoch": batches,
        "step": state.step,
        "epoch": state.epoch,
        "metric": run.metric,
        "unit": run.data.samples.unit,
        "best_epoch": state.best.get("epoch"),
        "best_step": state.best.get("step"),
    }
