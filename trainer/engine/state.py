"""The state of a run beyond its weights: what a checkpoint must hold so that a resumed run continues bit for bit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from trainer.config import RunConfig
from trainer.engine import hot
from trainer.engine.build import BuiltRun
from trainer.lazy import lazy
from trainer.lifecycle.branches import branch_values
from trainer.lifecycle.hot_knobs import changed_in_training, values_of

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")


@dataclass
class State:
    """Counters and histories. `batch` counts the finished batches of the current epoch; `changes` the changes of
    knobs that were applied."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    skipped_steps: int = 0
    validation_losses: list[float] = field(default_factory=list)
    last_epoch: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    best_weights: dict[str, torch.Tensor] | None = None
    batch_losses: list[float | torch.Tensor] = field(default_factory=list)
    outputs: list[torch.Tensor] = field(default_factory=list)
    mixed_targets: list[torch.Tensor] = field(default_factory=list)
    finished: str = ""
    changes: int = 0

    @property
    def best_loss(self) -> float:
        """The lowest validation loss so far."""
        return self.best.get("val_loss", math.inf)


def snapshot(run: BuiltRun, state: State) -> dict[str, Any]:
    """Returns everything that determines the rest of the run, as tensors and plain values."""
    kept = {item.name: getattr(state, item.name) for item in fields(state)}
    kept["batch_losses"] = [float(loss) for loss in state.batch_losses]
    return {
        "config": run.config.to_json(),
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "scaler": run.precision.scaler.state_dict(),
        "random": torch.get_rng_state(),
        "random_device": torch.cuda.get_rng_state() if run.device.type == "cuda" else None,
        "state": kept,
    }


def copied(value: Any) -> Any:
    """Returns a snapshot, or a part of one, that training changes no more."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: copied(one) for key, one in value.items()}
    return type(value)(map(copied, value)) if isinstance(value, list | tuple) else value


def restore(run: BuiltRun, saved: dict[str, Any]) -> State:
    """Restores a snapshot into a newly built run and returns the state to continue from."""
    state = State(**saved["state"])
    if state.changes and (values := values_of(run.start, RunConfig.from_json(saved["config"]))):
        hot.apply(run, changed_in_training(run.start, values))  # an imported checkpoint may say anything
    run.model.load_state_dict(saved["model"])
    run.optimizer.load_state_dict(saved["optimizer"])
    if saved["scaler"]:
        run.precision.scaler.load_state_dict(saved["scaler"])
    torch.set_rng_state(saved["random"])
    if saved["random_device"] is not None and run.device.type == "cuda":
        torch.cuda.set_rng_state(saved["random_device"])
    state.outputs = [part.to(run.device) for part in state.outputs]
    state.mixed_targets = [part.to(run.device) for part in state.mixed_targets]
    return state


def branch(run: BuiltRun, saved: dict[str, Any]) -> State:
    """Restores another run's snapshot into a newly built run that branches there, and returns the state to continue from. What
    a branch may set is the new run's own."""
    config = RunConfig.from_json(saved["config"]).changed(branch_values(run.start))
    state = restore(run, {**saved, "config": config.to_json()})
    state.finished = ""
    if run.start.early_stopping.name == "none":
        state.best_weights = None
    return state


def weights_copy(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Returns a copy of all parameters and running statistics."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}
