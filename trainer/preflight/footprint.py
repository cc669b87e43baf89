"""How much memory a run's network, gradients, optimizer and one batch take, in each precision."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from trainer.engine.build import Experiment
from trainer.lazy import lazy
from trainer.preflight.activation_hooks import Kept
from trainer.registry import families

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

FEW, MORE = 2, 4  # samples of the two small passes; batch norm needs two


def memory(run: Experiment, batch: torch.Tensor, kept_bytes: int) -> dict[str, Any]:
    """Bytes by precision, and what was measured in this run's own.

    `weights` and `gradients` follow the rule of thumb for the number format. Autocast, as training uses it here, keeps
    both in float32 and makes 16-bit copies, so `measured` tells what really lies in memory.
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
                "activations": activation_bytes(run, batch, technique.function(run.device.type).autocast),
            }
            for name, technique in families()["precision"].techniques.items()
        ],
        "measured": {
            "weights": sum(weight.nbytes for weight in run.weights.parameters),
            "gradients": sum(gradient.nbytes for gradient in run.weights.gradients()),
            "kept": kept_bytes,
        },
    }


def optimizer_bytes(run: Experiment) -> float:
    """Bytes of optimizer state for each parameter, found by letting the run's optimizer step on a few numbers."""
    probe = torch.nn.Parameter(torch.zeros(256))
    optimizer = run.config.bound("optimizer")([probe], run.config.learning_rate)
    probe.grad = torch.zeros_like(probe)
    optimizer.step()
    state = [value for value in optimizer.state[probe].values() if torch.is_tensor(value)]
    return sum(value.nbytes for value in state if value.numel() == probe.numel()) / probe.numel()


def activation_bytes(run: Experiment, batch: torch.Tensor, dtype: torch.dtype | None) -> int:
    """What autograd would keep of a whole batch: the growth from two samples to four, times the batch's size.

    Whatever does not grow with the batch, such as 16-bit copies of the weights, falls out of the difference.
    """
    few, more = (_kept(run, batch[torch.arange(count) % len(batch)], dtype) for count in (FEW, MORE))
    return round((more - few) / (MORE - FEW) * len(batch))


def _kept(run: Experiment, samples: torch.Tensor, dtype: torch.dtype | None) -> int:
    kept = Kept(*run.weights.parameters, samples)
    with kept, nullcontext() if dtype is None else torch.autocast(run.device.type, dtype=dtype):
        run.model(samples)
    return kept.bytes
