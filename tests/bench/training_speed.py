"""Steps a second with all streaming on, against a loop by hand and the loop that tutorials teach. Prints one JSON line.

    python tests/bench/training_speed.py [MODEL …]

The loop by hand: batches picked by index from memory, torch's own clipping and fused optimizer, values read every 50 steps.
The tutorial loop: DataLoader over a TensorDataset, `.item()` every step, gradient norm as a Python sum over the parameters.
Same network, batch size, optimizer, clipping and one thread each; none evaluates or saves within the measured time.
The curves are streamed; the looks into layers are switched off, but for the contestant that has them on, too (what they
cost over whole runs is `health_cost.py`'s). The last contestant is the product's own loop with a recorder that throws
everything away, for the cost of streaming. Seconds are CPU time of the process, the recorder's thread included.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import torch
from interleaved import ratio, rounds
from torch.utils.data import DataLoader, TensorDataset

from trainer.config import RunConfig
from trainer.engine.build import BuiltRun, build
from trainer.engine.datasplit import batch_sizes
from trainer.engine.loop import Trainer
from trainer.engine.meter import Meter
from trainer.engine.state import State
from trainer.health.observer import HealthObserver
from trainer.processes.control import Control
from trainer.processes.recorder import Recorder
from trainer.store import Store

MODELS: dict[str, dict[str, Any]] = {
    "delivery_mlp": {
        "data": "delivery_time", "model.layers": "128-64-32", "normalization": "batch", "dropout.rate": 0.2,
        "batch_size": 64, "optimizer": "adamw",
    },
    "wide_mlp": {
        "data": "mnist", "model.layers": "512-256", "normalization": "batch", "dropout.rate": 0.3,
        "batch_size": 128, "optimizer": "adamw", "clipping": "by_norm",
    },
    "cnn": {"data": "mnist", "model": "cnn", "batch_size": 64},
    "resnet": {"data": "digits", "model": "resnet"},
    "rnn": {"data": "adding", "model": "rnn"},
    "transformer": {"data": "reviews", "model": "transformer"},
}  # fmt: skip
EPOCHS = {"delivery_mlp": 40, "wide_mlp": 10, "cnn": 2, "resnet": 1, "rnn": 2, "transformer": 1}


class Silent:
    """Takes everything and keeps nothing."""

    def step(self, point: object) -> None: ...
    def epoch(self, point: object) -> None: ...
    def progress(self, facts: object) -> None: ...
    def handled(self, request: object) -> None: ...
    def health(self, *look: object) -> None: ...
    def view(self, *view: object) -> None: ...
    def notice(self, text: str) -> None: ...
    def flush(self) -> None: ...


def main() -> None:
    """Measures every model and prints the ratios."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_mnist(home / "MNIST" / "raw", samples=3000)
        names = sys.argv[1:] or list(MODELS)
        print(json.dumps({"benchmark": "training_speed", **{name: measure(name, home) for name in names}}))


def measure(name: str, home: Path) -> dict[str, float]:
    """Ratios of one model: ours over the loop by hand and the tutorial's, and ours with streaming over ours without."""
    config = RunConfig().changed({**MODELS[name], "epochs": EPOCHS[name], "health": False})
    watched = config.changed({"health": True})
    measured = rounds(
        {
            "hand": lambda: hand(config, home),
            "tutorial": lambda: tutorial(config, home),
            "ours": lambda: streamed(config, home),
            "watched": lambda: streamed(watched, home),
            "silent": lambda: ours(config, home, Silent()),
        }
    )
    return {
        "steps_per_s": round(max(measured["ours"])),
        "vs_hand": ratio(measured, "ours", "hand"),
        "vs_tutorial": ratio(measured, "ours", "tutorial"),
        "vs_tutorial_with_health": ratio(measured, "watched", "tutorial"),
        "streaming_cost": round(1 - ratio(measured, "ours", "silent"), 3),
        "record_us": round(record_cost(config, home), 2),
    }


def streamed(config: RunConfig, home: Path) -> float:
    """Steps a second into a real store."""
    return with_recorder(config, home, lambda recorder: ours(config, home, recorder))


def with_recorder(config: RunConfig, home: Path, use: Callable[[Recorder], float]) -> float:
    """Calls `use` with a recorder that writes to a real store."""
    store = Store(f"sqlite:///{home / 'bench.db'}")
    run = store.create_run(config.to_dict(), owner="bench", status="running")
    with Recorder(store, run, 1, Control()) as recorder:
        return use(recorder)


def record_cost(config: RunConfig, home: Path, steps: int = 5000) -> float:
    """Microseconds that measuring and recording one step take on the training thread, the writer thread at work."""
    meter = Meter(build(config, home).weights, 0.0)

    def use(recorder: Recorder) -> float:
        spent = 0.0
        for step in range(1, steps + 1):
            meter.step.number, meter.step.samples = step, 64
            begun = time.perf_counter()
            meter.before_update()
            recorder.step(meter.point(begun))
            spent += time.perf_counter() - begun
            if step % 100 == 0:
                time.sleep(0.02)  # as fast as a fast run: 5,000 steps a second
        return spent / steps * 1e6

    return with_recorder(config, home, use)


def ours(config: RunConfig, home: Path, recorder: Any) -> float:
    """Steps a second of the product's loop, epochs only."""
    run, state = build(config, home), State()
    trainer = Trainer(run, state, None, recorder, lambda: None, partial(HealthObserver, recorder=recorder))
    begun = time.process_time()
    for _ in range(config.epochs):
        trainer.train_epoch()
        state.epoch, state.batch, state.batch_losses, state.outputs = state.epoch + 1, 0, [], []
    return state.step / (time.process_time() - begun)


def hand(config: RunConfig, home: Path) -> float:
    """Steps a second of a loop that someone who knows what is fast writes for this one configuration."""
    run, model, parameters = separate(config, home)
    optimizer = config.bound("optimizer")(parameters, config.learning_rate)
    inputs, targets = run.data.train.inputs, run.data.train.targets
    max_norm = config.clipping.knobs.get("max_norm")
    history, step, begun = [], 0, time.process_time()
    for _ in range(config.epochs):
        for index in torch.randperm(len(inputs)).split(batch_sizes(len(inputs), config.batch_size)):
            optimizer.zero_grad()
            loss = run.loss(model(inputs[index]), targets[index])
            loss.backward()
            if max_norm:
                norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
            else:
                norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
            optimizer.step()
            step += 1
            if step % 50 == 0:
                history.append((loss.item(), optimizer.param_groups[0]["lr"], norm.item()))
    return step / (time.process_time() - begun)


def tutorial(config: RunConfig, home: Path) -> float:
    """Steps a second of the usual loop on the same network and data."""
    run, model, parameters = separate(config, home)
    criterion = torch.nn.MSELoss() if run.data.task == "regression" else torch.nn.CrossEntropyLoss()
    kind = torch.optim.AdamW if config.optimizer.name == "adamw" else torch.optim.Adam
    optimizer = kind(parameters, lr=config.learning_rate)
    loader = DataLoader(
        TensorDataset(run.data.train.inputs, run.data.train.targets),
        batch_size=config.batch_size,
        shuffle=True,
    )
    max_norm = config.clipping.knobs.get("max_norm")
    history, begun = [], time.process_time()
    for _ in range(config.epochs):
        for inputs, targets in loader:
            if len(inputs) == 1:
                continue
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            loss.backward()
            norm = sum(p.grad.norm().item() ** 2 for p in parameters if p.grad is not None) ** 0.5
            if max_norm:
                torch.nn.utils.clip_grad_norm_(parameters, max_norm)
            optimizer.step()
            history.append((loss.item(), optimizer.param_groups[0]["lr"], norm))
    return len(history) / (time.process_time() - begun)


def separate(config: RunConfig, home: Path) -> tuple[BuiltRun, torch.nn.Module, list[torch.nn.Parameter]]:
    """The same network with parameters of its own: without the shared vector and its memory order."""
    run = build(config, home)
    parameters = list(run.model.train().parameters())
    for parameter in parameters:
        parameter.data, parameter.grad = parameter.data.clone(memory_format=torch.contiguous_format), None
    return run, run.model, parameters


def write_mnist(folder: Path, samples: int) -> None:
    """Random images in MNIST's file format: speed does not depend on what they show."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count in (("train", samples), ("t10k", 200)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = random.integers(0, 10, count, dtype=np.uint8)
        for name, magic, array in (("images-idx3-ubyte", 2051, images), ("labels-idx1-ubyte", 2049, labels)):
            header = np.array([magic, *array.shape], dtype=">i4").tobytes()
            (folder / f"{part}-{name}").write_bytes(header + array.tobytes())


if __name__ == "__main__":
    main()
