"""Training, in the order in which things happen.

What an exported script does from top to bottom: trainer/engine/loop.py without what a lab has around it – recorder, requests,
checkpoints. The exporter puts the values of one configuration in the place of `config` and takes out the branches that it
rules out; a test for each technique holds the numbers to those of the real loop, bit for bit. Nothing imports this module.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from trainer.config import RunConfig
from trainer.data.samples import silent
from trainer.engine.augment import Augmenter
from trainer.engine.datasplit import Part, SplitData, batch_order, batch_sizes, split
from trainer.engine.flat import flatten
from trainer.engine.hot import take_dropout, take_weight_decay
from trainer.engine.lr_finder import WARMING_UP, WORSE, Smooth
from trainer.engine.measures import absolute_error, accuracy, classification_loss, regression_loss
from trainer.engine.network import initialize
from trainer.lazy import lazy
from trainer.registry import families
from trainer.streams import stream_seed
from trainer.techniques.schedules import Moment, rates, set_rates

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

config = RunConfig()  # stands for the run's
READS_FILES = False  # whether the data set's function looks into a folder; filled in, as is the next
CHANGES: tuple[Callable[..., Any], ...] = ()  # the augmentations
FOLDER = Path("data")  # what a data set or an augmentation needs beside this script
CLASSIFIES = config.data_facts()["task"] == "classification"
METRIC = "accuracy" if CLASSIFIES else "mae"
NETWORK: Any = None  # the expression that makes it
HOT: Any = None  # the hot knobs of the first step, of a run whose knobs changed
CHANGED: Any = {}  # which of them changed, by step
DROPS = False  # whether dropout is among them
FORK = 0  # the step at which a branch began
SMOOTHS = config.label_smoothing.knobs["amount"] > 0
MIXES = config.mixing.name != "none"
AUGMENTS = bool(MIXES or CHANGES)
CLIPS = config.clipping.name != "none"
STOPS = config.early_stopping.name != "none"
PLAIN = (
    config.precision.name == families()["precision"].default
)  # float32 needs neither autocast nor a scaler
MOVES = bool(HOT) or config.schedule.name != families()["schedule"].default
BY_STEP = "step" in (config.technique("schedule").facts["per"], config.schedule.knobs.get("moves"))
PROBES = bool(config.technique("schedule").facts.get("probe"))
EVALUATION_BATCH = 4096  # samples; large enough to be fast, small enough for any memory


def main() -> None:
    """Trains from the first weights on, and looks at the test part once, at the end."""
    torch.set_num_threads(1)  # sums keep their order, and with it their last digit
    device = pick_device()
    data = load_data(device)
    model = build_model(data, device)
    weights = flatten(model)
    optimizer = config.bound("optimizer")(weights.parameters, config.learning_rate)
    if not PLAIN:
        precision = config.bound("precision")(device.type)
        model.forward = torch.autocast(device.type, dtype=precision.dtype)(model.forward)
    if AUGMENTS:
        mix = config.bound("mixing") if MIXES else None
        classes = len(data.samples.classes)
        changes = CHANGES
        augment = Augmenter(config.seed_for("order"), classes, changes, mix, data.mean, data.deviation)
    if HOT:
        knobs = HOT
        later: dict[int, dict[str, Any]] = CHANGED
    else:
        sizes = batch_sizes(len(data.train), config.batch_size)
    step = 0
    if MOVES and not HOT:
        total_steps = len(sizes) * config.epochs
    if MOVES or STOPS:
        validation_losses: list[float] = []
    if STOPS:
        best_loss, best_epoch, best_weights = math.inf, 0, {}
    if PROBES:
        smooth, smallest = Smooth(), math.inf
    torch.manual_seed(stream_seed(config.seed_for("dropout"), "dropout"))

    for epoch in range(config.epochs):
        if HOT:
            change(knobs, later, step, model, optimizer)
            sizes, first = batch_sizes(len(data.train), knobs.batch_size), step
        order = batch_order(config.seed_for("order"), epoch, len(data.train)).to(device)
        losses, predictions = [], []
        if MIXES:
            mixed_targets = []
        model.train()
        if MOVES and not BY_STEP and not HOT:
            at = Moment(step, epoch, total_steps, config.epochs, validation_losses)
            set_rates(optimizer, rates(config.bound("schedule")(at, config.learning_rate)))

        for index in order.split(sizes):
            if HOT:
                change(knobs, later, step, model, optimizer)
                total_steps = first + len(sizes) * (knobs.epochs - epoch)
                now = step if knobs.by_step else first
                at = Moment(now, epoch, total_steps, knobs.epochs, validation_losses)
                set_rates(optimizer, rates(knobs.schedule(at, knobs.learning_rate)))
            elif BY_STEP:
                at = Moment(step, epoch, total_steps, config.epochs, validation_losses)
                set_rates(optimizer, rates(config.bound("schedule")(at, config.learning_rate)))
            inputs, targets = data.train.inputs[index], data.train.targets[index]
            if AUGMENTS:
                inputs, targets = augment(inputs, targets, step)
            weights.clear()
            outputs = model(inputs)
            if HOT:
                loss = knobs.loss(outputs, targets)
            elif SMOOTHS:
                loss = config.bound("label_smoothing")(outputs, targets)
            elif CLASSIFIES:
                loss = classification_loss(outputs, targets)
            else:
                loss = regression_loss(outputs, targets)
            if PLAIN:
                loss.backward()
            else:
                precision.scaler.scale(loss).backward()
                precision.scaler.unscale_(optimizer)  # so that norm and clipping see true gradients
            norm = weights.norm()
            if PLAIN:
                finite = math.isfinite(loss.item()) and math.isfinite(norm.item())
            else:  # with loss scaling a gradient may overflow now and then
                finite = math.isfinite(loss.item()) and (
                    precision.scaler.is_enabled() or math.isfinite(norm.item())
                )
            if not finite:
                raise SystemExit(
                    f"step {step + 1}: loss {loss.item()}, gradient norm {norm.item()}: it ends here."
                )
            if HOT:
                knobs.clip(weights.gradients(), norm)
            elif CLIPS:
                config.bound("clipping")(weights.gradients(), norm)
            if PLAIN:
                optimizer.step()
            else:
                precision.scaler.step(optimizer)  # skips the step where float16 overflowed
                precision.scaler.update()
            step += 1
            losses.append(loss.item() * len(index))
            predictions.append(outputs.detach())
            if MIXES:
                mixed_targets.append(targets)
            if PROBES:
                print(f"step {step}: learning rate {optimizer.param_groups[0]['lr']!r}, loss {loss.item()!r}")
                smoothed = smooth.add(loss.item())
                if (step > WARMING_UP and smoothed > WORSE * smallest) or step >= config.schedule.knobs[
                    "steps"
                ]:
                    return
                smallest = min(smallest, smoothed)

        train_loss = math.fsum(losses) / len(order)
        if MIXES:
            train_metric = accuracy(torch.cat(predictions), torch.cat(mixed_targets))
        elif CLASSIFIES:
            train_metric = accuracy(torch.cat(predictions), data.train.targets[order])
        else:
            targets = data.train.targets[order]
            train_metric = absolute_error(torch.cat(predictions), targets, data.target_scale)
        validation_loss, validation_metric = evaluate(model, data.validation, data)
        print(
            f"epoch {epoch + 1}: train loss {train_loss!r}, {METRIC} {train_metric!r}; "
            f"validation loss {validation_loss!r}, {METRIC} {validation_metric!r}"
        )
        if MOVES or STOPS:
            validation_losses.append(validation_loss)
        if STOPS:
            if validation_loss < best_loss:
                best_loss, best_epoch, best_weights = validation_loss, epoch + 1, copy_of(model)
            if (not FORK or step > FORK) and config.bound("early_stopping")(validation_losses) <= 0:
                break

    if STOPS and best_weights:
        model.load_state_dict(best_weights)
        print(f"The weights of epoch {best_epoch}, the best on validation, are restored.")
    for name, part in (("validation", data.validation), ("test", data.test)):
        loss, metric = evaluate(model, part, data)
        print(f"{name}: loss {loss!r}, {METRIC} {metric!r}")


def change(
    knobs: SimpleNamespace,
    later: dict[int, dict[str, Any]],
    step: int,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Changes the knobs that change at this step; the network and the optimizer take over what they need of them."""
    if step not in later:
        return
    new = later.pop(step)
    vars(knobs).update(new)
    take_weight_decay(optimizer, knobs.weight_decay)
    if DROPS and "network" in new:
        with torch.device("meta"):  # no memory, and no random numbers
            take_dropout(model, new["network"]())


def pick_device() -> torch.device:
    """Where to train. On a GPU the numbers are those of a run there only as far as its kernels keep their order."""
    if config.device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device("cuda")


def load_data(device: torch.device) -> SplitData:
    """The data set, split by seed and scaled."""
    samples = config.bound("data")(FOLDER) if READS_FILES else config.bound("data")()
    return split(
        samples,
        seed=config.seed_for("split"),
        validation_share=config.validation_share,
        test_share=config.test_share,
        device=device,
        scaling=config.bound("input_scaling"),
        scale_train=not CHANGES,
    )


def build_model(data: SplitData, device: torch.device) -> torch.nn.Module:
    """The network with its first weights."""
    model: torch.nn.Module = NETWORK
    with torch.no_grad():
        initialize(model, config)
    return model.to(device)


def prepared(
    change: Callable[..., Any], prepare: Callable[..., Any], data: SplitData, **knobs: str
) -> Callable[..., Any]:
    """A change of training batches with the table that it looks things up in, made from the training part alone."""
    words = data.train.inputs
    table = prepare(data.samples.vocabulary, words.cpu().numpy(), FOLDER, silent, **knobs)
    return partial(change, table=torch.from_numpy(table).to(words.device))


def copy_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """All parameters and running statistics as they are now."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def evaluate(model: torch.nn.Module, part: Part, data: SplitData) -> tuple[float, float]:
    """Loss and metric of a part in evaluation mode: no dropout, running statistics."""
    model.eval()
    with torch.no_grad():
        outputs = torch.cat([model(batch).float() for batch in part.inputs.split(EVALUATION_BATCH)])
    if CLASSIFIES:
        loss, metric = classification_loss(outputs, part.targets), accuracy(outputs, part.targets)
    else:
        loss = regression_loss(outputs, part.targets)
        metric = absolute_error(outputs, part.targets, data.target_scale)
    return float(loss), metric


if __name__ == "__main__":
    main()
