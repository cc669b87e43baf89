"""The state of a run beyond its weights: what a checkpoint must hold so that a resumed run continues bit for bit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from trainer.engine.build import BuiltRun
from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")


@dataclass
class State:
    """Counters and histories. `batch` counts the finished batches of the current epoch."""

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


def restore(run: BuiltRun, saved: dict[str, Any]) -> State:
    """Restores a snapshot into a newly built run and returns the state to continue from."""
    run.model.load_state_dict(saved["model"])
    run.optimizer.load_state_dict(saved["optimizer"])
    if saved["scaler"]:
        run.precision.scaler.load_state_dict(saved["scaler"])
    torch.set_rng_state(saved["random"])
    if saved["random_device"] is not None and run.device.type == "cuda":
        torch.cuda.set_rng_state(saved["random_device"])
    state = State(**saved["state"])
    state.outputs = [part.to(run.device) for part in state.outputs]
    state.mixed_targets = [part.to(run.device) for part in state.mixed_targets]
    return state


def weights_copy(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Returns a copy of all parameters and running statistics."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}
