"""A dry run: one batch forward and backward through the initial weights, without a step.

The data, network and batch are those of the run: built by the same functions and drawn from the same streams. Nothing is
trained or written, and later random numbers of the run do not change, because each run seeds its own streams.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from trainer.config import RunConfig
from trainer.engine.build import BuiltRun, build, notices_about, pick_device
from trainer.engine.datasplit import batch_order, batch_sizes
from trainer.lazy import lazy
from trainer.preflight.activation_hooks import Kept, watched
from trainer.preflight.footprint import memory
from trainer.preflight.sample_batch import sample_batch
from trainer.settings import Settings
from trainer.techniques.precision import autocast

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

MAX_OVERFLOWS = 16  # halvings, which take a loss scale of 65,536 to 1
IRRELEVANT_KNOBS = ("schedule", "learning_rate", "early_stopping", "clipping", "epochs", "pace", "health")
"""Knobs that do not change the first forward and backward pass."""


def question_of(config: RunConfig) -> dict[str, Any]:
    """Returns the question about a run, with irrelevant knobs at their defaults: changing them asks nothing new."""
    plain, values = RunConfig().to_dict(), config.to_dict()
    return {"config": values | {name: plain[name] for name in IRRELEVANT_KNOBS if name in plain}}


def dry_run(question: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Returns the answer to `question_of(config)`. Raises ConfigError or DataError when the run could not start."""
    config = RunConfig.parse(question["config"])
    with torch.random.fork_rng(devices=[]):
        return _dry_run(config, settings)


def _dry_run(config: RunConfig, settings: Settings) -> dict[str, Any]:
    """Builds the run and passes its first batch through, on the CPU even for a run on a GPU: weights and batch are the same,
    and a GPU takes longer to start than all of this."""
    torch.set_num_threads(1)
    device = pick_device(config.device)
    run = build(config.changed({"device": "cpu"}), settings.data)
    index = first_batch(run)
    inputs, targets = run.data.train.inputs[index], run.data.train.targets[index]
    batch, batch_targets = (inputs, targets) if run.augment is None else run.augment(inputs, targets, 0)
    measured = forward_backward(run, batch, batch_targets)
    return {
        **measured,
        "task": run.data.task,
        "classes": len(run.data.samples.classes),
        "baseline": baseline(run, batch_targets),
        "batch": len(batch),
        "batch_size": config.batch_size,
        "samples": len(run.data.train),
        "steps_per_epoch": len(batch_sizes(len(run.data.train), config.batch_size)),
        "shape": list(batch.shape[1:]),
        "parameters": run.parameters,
        "memory": memory(run, batch, measured["kept_bytes"]),
        "gallery": sample_batch(run, inputs, targets, batch, batch_targets),
        "notices": [*notices_about(config, device, len(run.data.train)), *run.data.samples.notices],
    }


def first_batch(run: BuiltRun) -> torch.Tensor:
    """Returns the indices of the training samples in the first batch."""
    samples = len(run.data.train)
    size = batch_sizes(samples, run.config.batch_size)[0]
    return batch_order(run.config.seed_for("order"), 0, samples)[:size]


def forward_backward(run: BuiltRun, batch: torch.Tensor, targets: torch.Tensor) -> dict[str, Any]:
    """Runs one step of the loop up to the optimizer; returns the loss, activations by depth and gradients by layer."""
    model, scaler, weights = run.model, run.precision.scaler, run.weights
    model.train()
    kept = Kept(*weights.parameters, batch)
    with watched(model) as (sizes, passed), kept, autocast(run.precision, run.device):
        outputs = model(batch)
    loss = run.loss(outputs, targets)
    overflows = backward(run, loss)
    return {
        "loss": float(loss.detach()),
        "grad_norm": float(weights.norm()),
        "loss_scale": scaler.get_scale() if scaler.is_enabled() else None,
        "overflows": overflows,
        "input_std": input_std(batch),
        "activations": [asdict(one) for one in sizes],
        "gradients": gradients(model, passed),
        "kept_bytes": kept.bytes,
    }


def backward(run: BuiltRun, loss: torch.Tensor) -> int:
    """Computes the gradients. When float16 overflows, it halves the loss scale as training does, which skips a step each
    time; returns the number of times."""
    scaler = run.precision.scaler
    final = not (scaler.is_enabled() and math.isfinite(loss.item()))
    for overflows in range(MAX_OVERFLOWS):
        run.weights.clear()
        scaler.scale(loss).backward(retain_graph=not final)
        scaler.unscale_(run.optimizer)
        if final or math.isfinite(run.weights.norm()):
            return overflows
        scaler.update()
    return MAX_OVERFLOWS


def gradients(model: torch.nn.Module, passed: list[str]) -> list[dict[str, Any]]:
    """Returns, for each layer with parameters in forward order, their number and the L2 norms of its gradient and weights."""
    modules = dict(model.named_modules())
    found = []
    for name in dict.fromkeys(passed):
        own = list(modules[name].parameters(recurse=False))
        found.append(
            {
                "layer": name,
                "kind": type(modules[name]).__name__,
                "parameters": sum(parameter.numel() for parameter in own),
                "grad_norm": norm([parameter.grad for parameter in own if parameter.grad is not None]),
                "weight_norm": norm([parameter.detach() for parameter in own]),
            }
        )
    return found


def norm(tensors: list[torch.Tensor]) -> float:
    """Returns the L2 norm of all tensors together."""
    return math.sqrt(sum(float(torch.linalg.vector_norm(tensor.double())) ** 2 for tensor in tensors))


def input_std(batch: torch.Tensor) -> float | None:
    """Returns the standard deviation of the inputs; None for words, whose numbers have no scale."""
    return float(batch.double().std(correction=0)) if batch.is_floating_point() else None


def baseline(run: BuiltRun, targets: torch.Tensor) -> float:
    """Returns the loss of a network that knows nothing: ln(classes) for random guessing, or the batch's mean square for
    always predicting the training mean."""
    if run.data.task == "classification":
        return math.log(len(run.data.samples.classes))
    return float(targets.double().square().mean())
