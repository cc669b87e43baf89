"""Changes a built run between two steps, as if it had been built with other hot knobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.config import RunConfig
from trainer.data.samples import predicts_classes
from trainer.engine.build import BuiltRun, moves_by_step, schedule_of, training_loss
from trainer.engine.network import assemble
from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")


def apply(run: BuiltRun, config: RunConfig) -> None:
    """Makes a run train on with `config`, which differs from its own in hot knobs only. Weights, the optimizer's state and
    the random streams stay as they are."""
    if config.dropout != run.config.dropout:
        samples = run.data.samples
        made = assemble(config, samples.shape, run.data.outputs, len(samples.vocabulary))
        take_dropout(run.model, made)
    take_weight_decay(run.optimizer, config.optimizer.knobs["weight_decay"])
    run.config = config
    run.schedule, run.schedule_per_step = schedule_of(config), moves_by_step(config)
    run.clip = config.bound("clipping")
    run.loss = training_loss(config, classifies=predicts_classes(run.data.task))


def take_weight_decay(optimizer: torch.optim.Optimizer, weight_decay: float) -> None:
    """Gives an optimizer another weight decay, and its own momentum back where a schedule has moved it."""
    for group in optimizer.param_groups:
        group["weight_decay"] = weight_decay
        for name in ("momentum", "betas"):  # a schedule that moves them sets them again at the next step
            if name in group:
                group[name] = optimizer.defaults[name]


def take_dropout(model: torch.nn.Module, made: torch.nn.Module) -> None:
    """Gives a network the dropout of another that is alike in all else. Its other modules stay, as weights are views that the
    optimizer knows and hooks hang on modules."""
    kinds = (torch.nn.Dropout, torch.nn.Dropout2d, torch.nn.Identity)
    if isinstance(getattr(made, "dropout", None), float):  # attention and recurrent layers
        model.dropout = made.dropout
    before = dict(model._modules)
    model._modules.clear()
    for name, child in made._modules.items():
        kept = None if isinstance(child, kinds) else before.get(name)
        model._modules[name] = kept or child
        if kept is not None and child is not None:
            take_dropout(kept, child)
