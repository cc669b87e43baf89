"""From a configuration to live objects: data on the device, initialized model, optimizer, schedule, precision."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.config import ConfigError, RunConfig
from trainer.datasplit import SplitData, split
from trainer.flat import flatten
from trainer.lazy import lazy
from trainer.models.parts import Parts
from trainer.streams import generator, stream_seed
from trainer.techniques.precision import Precision
from trainer.techniques.schedules import Moment, Rates

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

LARGEST_MODEL = 100_000_000  # parameters; with Adam that is 1.6 GB


@dataclass
class Experiment:
    """Everything one run trains with. `weights` is the vector of all parameters; its `grad` holds all gradients."""

    config: RunConfig
    device: torch.device
    data: SplitData
    model: torch.nn.Module
    weights: torch.nn.Parameter
    optimizer: torch.optim.Optimizer
    precision: Precision
    schedule: Callable[[Moment], Rates]
    schedule_per_step: bool
    clip: Callable[[torch.Tensor, torch.Tensor], torch.Tensor | None]
    patience_left: Callable[[Sequence[float]], float]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    notices: tuple[str, ...]

    @property
    def metric(self) -> str:
        """Name of the metric: accuracy (share of 1), or mean absolute error in the target's unit."""
        return "accuracy" if self.data.task == "classification" else "mae"

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> float:
        """The metric of [n, classes] logits against [n] classes, or of [n, 1] predictions against [n, 1] targets."""
        if self.data.task == "classification":
            return int((outputs.argmax(1) == targets).sum()) / len(targets)
        return float((outputs.double() - targets.double()).abs().mean()) * self.data.target_scale

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        return self.weights.numel()


def build(config: RunConfig, data_folder: Path) -> Experiment:
    """Builds all parts of a run. Raises ConfigError or DataError with a sentence where that is impossible."""
    device = pick_device(config.device)
    if device.type == "cuda":  # the same numbers every time, at a small price
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    data = load_data(config, data_folder, device)
    model = build_model(config, tuple(data.train.inputs.shape[1:]), data.outputs, device)
    weights = flatten(model)
    learning_rate, schedule = config.learning_rate, _bound(config, "schedule")
    torch.manual_seed(stream_seed(config.seed, "dropout"))
    return Experiment(
        config=config,
        device=device,
        data=data,
        model=model,
        weights=weights,
        optimizer=_bound(config, "optimizer")([weights], learning_rate),
        precision=_bound(config, "precision")(device.type),
        schedule=lambda at: rates(schedule(at, learning_rate)),
        schedule_per_step="step"
        in (config.technique("schedule").facts["per"], config.schedule.knobs.get("moves")),
        clip=_bound(config, "clipping"),
        patience_left=_bound(config, "early_stopping"),
        loss=classification_loss if data.task == "classification" else regression_loss,
        notices=tuple(_notices(config, device, len(data.train))),
    )


def pick_device(wanted: str) -> torch.device:
    """The device for a run. Raises ConfigError when a GPU is asked for and there is none."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device is cuda, but PyTorch finds no GPU here. Set device=cpu or device=auto.")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def load_data(config: RunConfig, folder: Path, device: torch.device) -> SplitData:
    """Reads and splits the configured data set."""
    data = split(
        _bound(config, "data")(folder),
        seed=config.seed,
        validation_share=config.validation_share,
        test_share=config.test_share,
        device=device,
    )
    smallest = config.technique("normalization").facts.get("smallest_batch", 1)
    if len(data.train) < smallest:
        raise ConfigError(
            f"{len(data.train)} training samples are too few for batch norm; it needs {smallest}."
        )
    return data


def build_model(
    config: RunConfig, shape: tuple[int, ...], outputs: int, device: torch.device
) -> torch.nn.Module:
    """Assembles the network and draws its first weights. Raises ConfigError for one too large to train here."""
    assemble = partial(_bound(config, "model"), shape, outputs, parts_of(config))
    with torch.device("meta"):  # counts without allocating
        model: torch.nn.Module = assemble()
    count = sum(parameter.numel() for parameter in model.parameters())
    if count > LARGEST_MODEL:
        raise ConfigError(
            f"This {config.technique('model').label} has {count:,} parameters; the limit is {LARGEST_MODEL:,}. "
            "Make it narrower or shallower."
        )
    model = model.to_empty(device="cpu")
    initialize(model, config)
    return model.to(device)


def parts_of(config: RunConfig) -> Parts:
    """The makers of normalization, activation and dropout that the configuration chose."""
    return Parts(_bound(config, "normalization"), _bound(config, "activation"), _bound(config, "dropout"))


def initialize(model: torch.nn.Module, config: RunConfig) -> None:
    """Draws every weight from a stream keyed by its name; biases start at 0, norms as the identity."""
    scheme = _bound(config, "initialization")
    with torch.no_grad():
        for name, module in model.named_modules():
            weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
            if weight is not None and weight.ndim >= 2:
                if bias is not None:
                    torch.nn.init.zeros_(bias)
                scheme(weight, bias, generator(config.seed, "weights", f"{name}.weight"))
            elif hasattr(module, "reset_parameters"):
                module.reset_parameters()


def classification_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy, computed in float32 also under autocast."""
    return torch.nn.functional.cross_entropy(logits.float(), targets)


def regression_loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean squared error on standardized targets, computed in float32 also under autocast."""
    return torch.nn.functional.mse_loss(outputs.float(), targets)


def rates(value: float | Rates) -> Rates:
    """What a schedule returned, always with its momentum slot."""
    return value if isinstance(value, Rates) else Rates(value)


def batch_sizes(samples: int, batch_size: int) -> list[int]:
    """Sizes of an epoch's batches. A last batch of one joins the one before: batch norm cannot use it alone."""
    sizes = [batch_size] * (samples // batch_size)
    rest = samples % batch_size
    if rest == 1 and sizes:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes


def _bound(config: RunConfig, family: str) -> Callable[..., Any]:
    return partial(config.technique(family).function, **getattr(config, family).knobs)


def _notices(config: RunConfig, device: torch.device, samples: int) -> list[str]:
    """What a person should know about this run although nothing is wrong."""
    notices = []
    if samples > config.batch_size and samples % config.batch_size == 1:
        notices.append(
            f"{samples} training samples in batches of {config.batch_size} leave one over: it joins the last batch, "
            f"which has {config.batch_size + 1}. No sample is dropped."
        )
    if config.precision.name != "fp32" and device.type == "cpu":
        notices.append(
            f"{config.technique('precision').label} on a CPU shows the mechanics; it is usually slower than float 32."
        )
    moves_momentum = config.schedule.name == "one_cycle"
    knobs = config.optimizer.knobs
    if moves_momentum and not (knobs.get("momentum") or "beta1" in knobs):
        notices.append(
            "One cycle also moves momentum, but this optimizer has none: only the learning rate moves."
        )
    return notices
