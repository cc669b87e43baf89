"""Builds what a run trains with: data on the device, initialized model, optimizer, schedule, precision."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.config import ConfigError, RunConfig
from trainer.data.samples import predicts_classes, silent
from trainer.engine.augment import Augmenter, build_augmenter, chosen_changes
from trainer.engine.datasplit import SplitData, split
from trainer.engine.flat import Weights, flatten
from trainer.engine.measures import absolute_error, accuracy, classification_loss, regression_loss
from trainer.engine.network import assemble, build_model
from trainer.lazy import lazy
from trainer.streams import stream_seed
from trainer.techniques.precision import Precision
from trainer.techniques.schedules import Moment, Rates, rates

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")


@dataclass
class BuiltRun:
    """Everything that a run trains with. `weights` is what the optimizer updates. `config` is the configuration now, `start`
    the one that the run began with: they differ once hot knobs have changed."""

    config: RunConfig
    start: RunConfig
    device: torch.device
    data: SplitData
    model: torch.nn.Module
    weights: Weights
    optimizer: torch.optim.Optimizer
    precision: Precision
    schedule: Callable[[Moment], Rates]
    schedule_per_step: bool
    clip: Callable[[list[torch.Tensor], torch.Tensor], torch.Tensor | None]
    patience_left: Callable[[Sequence[float]], float]
    augment: Augmenter | None
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    evaluation_loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    notices: tuple[str, ...]

    @property
    def metric(self) -> str:
        """Name of the metric: accuracy, from 0 to 1, or mean absolute error in the target's unit."""
        return "accuracy" if predicts_classes(self.data.task) else "mae"

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> float:
        """Returns the metric of [n, classes] logits against [n] classes, or of [n, 1] predictions against [n, 1] targets."""
        if predicts_classes(self.data.task):
            return accuracy(outputs, targets)
        return absolute_error(outputs, targets, self.data.target_scale)

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        return self.weights.count


def build(config: RunConfig, data_folder: Path, report: Callable[[int, int], None] = silent) -> BuiltRun:
    """Builds everything that a run trains with. Raises ConfigError or DataError when the run could not start.

    `report` is called with the texts done and the texts in all while a slow augmentation prepares the training data.
    """
    device = pick_device(config.device)
    if device.type == "cuda":  # the same numbers every time, at a small cost
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    data = load_data(config, data_folder, device)
    samples = data.samples
    model = build_model(config, samples.shape, data.outputs, device, len(samples.vocabulary))
    weights = flatten(model)
    classifies = predicts_classes(data.task)
    torch.manual_seed(stream_seed(config.seed_for("dropout"), "dropout"))
    return BuiltRun(
        config=config,
        start=config,
        device=device,
        data=data,
        model=model,
        weights=weights,
        optimizer=config.bound("optimizer")(weights.parameters, config.learning_rate),
        precision=config.bound("precision")(device.type),
        schedule=schedule_of(config),
        schedule_per_step=moves_by_step(config),
        clip=config.bound("clipping"),
        patience_left=config.bound("early_stopping"),
        augment=build_augmenter(config, data, data_folder, report),
        loss=training_loss(config, classifies=classifies),
        evaluation_loss=classification_loss if classifies else regression_loss,
        notices=(*notices_about(config, device, len(data.train)), *samples.notices),
    )


def schedule_of(config: RunConfig) -> Callable[[Moment], Rates]:
    """Returns the learning rate as a function of where training is."""
    schedule, learning_rate = config.bound("schedule"), config.learning_rate
    return lambda at: rates(schedule(at, learning_rate))


def moves_by_step(config: RunConfig) -> bool:
    """Whether the learning rate changes at every step rather than between epochs."""
    return "step" in (config.technique("schedule").facts["per"], config.schedule.knobs.get("moves"))


def training_loss(
    config: RunConfig, *, classifies: bool
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Returns the loss that training minimizes."""
    return config.bound("label_smoothing") if classifies else regression_loss


def require_start(config: RunConfig, data_folder: Path) -> None:
    """Raises ConfigError or DataError when the run could not start, before there is a run."""
    pick_device(config.device)
    data = load_data(config, data_folder, torch.device("cpu"))
    assemble(config, data.samples.shape, data.outputs, len(data.samples.vocabulary))


def pick_device(requested: str) -> torch.device:
    """Returns the device for a run. Raises ConfigError when a GPU is requested and there is none."""
    if requested == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device is cuda, but PyTorch finds no GPU here. Set device=cpu or device=auto.")
    return torch.device("cuda" if requested != "cpu" and torch.cuda.is_available() else "cpu")


def load_data(config: RunConfig, folder: Path, device: torch.device) -> SplitData:
    """Returns the configured data set, split and scaled. Raises ConfigError when too few samples are left to train on."""
    data = split(
        config.bound("data")(folder),
        seed=config.seed_for("split"),
        validation_share=config.validation_share,
        test_share=config.test_share,
        device=device,
        scaling=config.bound("input_scaling"),
        scale_train=not chosen_changes(config),
    )
    smallest = config.technique("normalization").facts.get("smallest_batch", 1)
    if len(data.train) < smallest:
        raise ConfigError(
            f"{len(data.train)} training samples are too few for batch norm; it needs {smallest}."
        )
    return data


def notices_about(config: RunConfig, device: torch.device, samples: int) -> list[str]:
    """Returns sentences that a person should read about a run although nothing is wrong."""
    notices = []
    if samples > config.batch_size and samples % config.batch_size == 1:
        notices.append(
            f"{samples} training samples in batches of {config.batch_size} leave one over, which joins the last batch of "
            f"{config.batch_size + 1}. No sample is dropped."
        )
    if config.precision.name != "fp32" and device.type == "cpu":
        notices.append(
            f"{config.technique('precision').label} on a CPU shows the mechanics; it is usually slower than float32."
        )
    changes_momentum = config.schedule.name == "one_cycle"
    knobs = config.optimizer.knobs
    if changes_momentum and not (knobs.get("momentum") or "beta1" in knobs):
        notices.append(
            "One cycle also changes momentum, but this optimizer has none: only the learning rate changes."
        )
    return notices
