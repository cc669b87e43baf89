"""How much memory a run's weights, gradients, optimizer state and one batch's activations take, in each precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.engine.build import BuiltRun
from trainer.lazy import lazy
from trainer.preflight.activation_hooks import Kept
from trainer.registry import families
from trainer.techniques.precision import Precision, autocast

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

PROBE_SIZES = 2, 4  # samples of two small passes; batch norm needs at least two


def memory(run: BuiltRun, batch: torch.Tensor, kept_bytes: int) -> dict[str, Any]:
    """Returns bytes by precision, and those `measured` in the run's own.

    `weights` and `gradients` follow the rule of thumb for the number format. Autocast, as used in training here, keeps
    both in float32 and adds 16-bit copies, so `measured` holds what really is in memory.
    """
    per_parameter = optimizer_bytes(run)
    count = run.parameters
    return {
        "optimizer_bytes": per_parameter,
        "precisions": [
            {
                "name": name,
                "label": technique.label,
                "chosen": name == run.config.precision.name,
                "bytes_weights": technique.facts["bytes_weights"],
                "bytes_gradients": technique.facts["bytes_gradients"],
                "weights": technique.facts["bytes_weights"] * count,
                "gradients": technique.facts["bytes_gradients"] * count,
                "optimizer": round(per_parameter * count),
                "activations": activation_bytes(run, batch, technique.function(run.device.type)),
            }
            for name, technique in families()["precision"].techniques.items()
        ],
        "measured": {
            "weights": sum(weight.nbytes for weight in run.weights.parameters),
            "gradients": sum(gradient.nbytes for gradient in run.weights.gradients()),
            "kept": kept_bytes,
        },
    }


def optimizer_bytes(run: BuiltRun) -> float:
    """Returns the bytes of optimizer state per parameter, measured by one step of the run's optimizer on a few numbers."""
    probe = torch.nn.Parameter(torch.zeros(256))
    optimizer = run.config.bound("optimizer")([probe], run.config.learning_rate)
    probe.grad = torch.zeros_like(probe)
    optimizer.step()
    state = [value for value in optimizer.state[probe].values() if torch.is_tensor(value)]
    return sum(value.nbytes for value in state if value.numel() == probe.numel()) / probe.numel()


def activation_bytes(run: BuiltRun, batch: torch.Tensor, precision: Precision) -> int:
    """Returns the bytes that autograd would keep of a whole batch: the growth from two samples to four, scaled to the batch.

    Whatever does not grow with the batch, such as 16-bit copies of the weights, cancels out in the difference.
    """
    small, large = PROBE_SIZES
    low, high = (_kept_bytes(run, batch[torch.arange(size) % len(batch)], precision) for size in PROBE_SIZES)
    return round((high - low) / (large - small) * len(batch))


def _kept_bytes(run: BuiltRun, samples: torch.Tensor, precision: Precision) -> int:
    kept = Kept(*run.weights.parameters, samples)
    with kept, autocast(precision, run.device):
        run.model(samples)
    return kept.bytes


def training_bytes(run: BuiltRun) -> dict[str, int]:
    """Returns the bytes that training will take, by what takes them. The run's state is left as it is: a probe in evaluation
    mode draws no random number and moves no running statistics, and leaves out only what dropout and norms keep."""
    batch = run.data.train.inputs[: run.config.batch_size]
    weights = sum(weight.nbytes for weight in run.weights.parameters)
    training = run.model.training
    run.model.eval()
    try:
        activations = activation_bytes(run, batch, run.precision)
    finally:
        run.model.train(training)
    best = run.config.early_stopping.name != "none"
    return {
        "weights": weights,
        "gradients": weights,
        "the optimizer": round(optimizer_bytes(run) * run.parameters),
        f"a batch of {len(batch):,}": activations,
        "the best weights": weights * best,
    }
