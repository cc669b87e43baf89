"""What is about to happen: one batch forward and backward through the first weights, and no step.

Data, network and batch are those of the run: built by the same functions, drawn from the same streams. Nothing is trained,
nothing is written, and what a run draws later is untouched, because each run seeds its own streams.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from trainer.config import RunConfig
from trainer.engine.build import Experiment, build, notices_about, pick_device
from trainer.engine.datasplit import batch_order, batch_sizes
from trainer.lazy import lazy
from trainer.preflight.activation_hooks import Kept, watched
from trainer.preflight.footprint import memory
from trainer.preflight.sample_batch import gallery
from trainer.settings import Settings

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

MOST_OVERFLOWS = 16  # halvings, after which a loss scale of 65,536 is 1
LATER = ("schedule", "learning_rate", "early_stopping", "clipping", "epochs", "pace", "health")
"""Knobs that the first forward and backward pass does not know yet."""


def question_of(config: RunConfig) -> dict[str, Any]:
    """The question about a run, without what cannot change the answer: moving the learning rate asks nothing new."""
    plain, values = RunConfig().to_dict(), config.to_dict()
    return {"config": values | {name: plain[name] for name in LATER if name in plain}}


def before(question: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The answer to `question_of(config)`. Raises ConfigError or DataError with a sentence where the run could not begin."""
    config = RunConfig.parse(question["config"])
    with torch.random.fork_rng(devices=[]):
        return look(config, settings)


def look(config: RunConfig, settings: Settings) -> dict[str, Any]:
    """Builds the run and passes its first batch through. Computed on the CPU, also for a run on a GPU: the weights and
    the batch are the same there, and a GPU would take longer to start than this takes in all."""
    torch.set_num_threads(1)
    device = pick_device(config.device)
    run = build(config.changed({"device": "cpu"}), settings.data)
    index = first_batch(run)
    inputs, targets = run.data.train.inputs[index], run.data.train.targets[index]
    batch, wanted = (inputs, targets) if run.augment is None else run.augment(inputs, targets, 0)
    passed = pass_through(run, batch, wanted)
    return {
        **passed,
        "task": run.data.task,
        "classes": len(run.data.samples.classes),
        "baseline": baseline(run, wanted),
        "batch": len(batch),
        "batch_size": config.batch_size,
        "samples": len(run.data.train),
        "steps_per_epoch": len(batch_sizes(len(run.data.train), config.batch_size)),
        "shape": list(batch.shape[1:]),
        "parameters": run.parameters,
        "memory": memory(run, batch, passed["kept_bytes"]),
        "gallery": gallery(run, inputs, targets, batch, wanted),
        "notices": [*notices_about(config, device, len(run.data.train)), *run.data.samples.notices],
    }


def first_batch(run: Experiment) -> torch.Tensor:
    """Indices of the training samples that the first step sees."""
    samples = len(run.data.train)
    size = batch_sizes(samples, run.config.batch_size)[0]
    return batch_order(run.config.seed, 0, samples)[:size]


def pass_through(run: Experiment, batch: torch.Tensor, wanted: torch.Tensor) -> dict[str, Any]:
    """One step of the loop up to where the optimizer would act: loss, sizes by depth, gradients by layer."""
    model, scaler, weights = run.model, run.precision.scaler, run.weights
    model.train()
    kept = Kept(*weights.parameters, batch)
    with watched(model) as (sizes, passed), kept, forward_precision(run):
        outputs = model(batch)
    loss = run.loss(outputs, wanted)
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


def backward(run: Experiment, loss: torch.Tensor) -> int:
    """Fills the gradients. Where float16 overflows, the loss scale is halved as training would do it, which skips a step
    each time; returns how often."""
    scaler = run.precision.scaler
    final = not (scaler.is_enabled() and math.isfinite(loss.item()))
    for overflows in range(MOST_OVERFLOWS):
        run.weights.clear()
        scaler.scale(loss).backward(retain_graph=not final)
        scaler.unscale_(run.optimizer)
        if final or math.isfinite(run.weights.norm()):
            return overflows
        scaler.update()
    return MOST_OVERFLOWS


def forward_precision(run: Experiment) -> Any:
    """16-bit arithmetic where the precision asks for it, as in the loop."""
    dtype = run.precision.autocast
    return nullcontext() if dtype is None else torch.autocast(run.device.type, dtype=dtype)


def gradients(model: torch.nn.Module, passed: list[str]) -> list[dict[str, Any]]:
    """For each layer with parameters, in the order of the pass: how many, and the L2 norms of gradient and weights."""
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
    """The L2 norm of all numbers together."""
    return math.sqrt(sum(float(torch.linalg.vector_norm(tensor.double())) ** 2 for tensor in tensors))


def input_std(batch: torch.Tensor) -> float | None:
    """Spread of what enters the network; None for words, which are numbers in name only."""
    return float(batch.double().std(correction=0)) if batch.is_floating_point() else None


def baseline(run: Experiment, wanted: torch.Tensor) -> float:
    """The loss of a network that knows nothing: ln(classes) for even odds, the batch's mean square for always guessing
    the training mean."""
    if run.data.task == "classification":
        return math.log(len(run.data.samples.classes))
    return float(wanted.double().square().mean())
