"""Steps a second with all streaming on, against the loop that tutorials teach. Prints one JSON line.

    python tests/bench/training_speed.py

The tutorial loop: DataLoader over a TensorDataset, zero_grad, `.item()` every step, gradient norm as a Python sum over the
parameters. Same network, batch size, optimizer and one thread each; neither evaluates nor saves within the measured time.
The curves are streamed; the looks into layers are switched off, but for the contestant that has them on, too (what they
cost over whole runs is `health_cost.py`'s). The last contestant is the product's own loop with a recorder that throws
everything away, for the cost of streaming.
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
from trainer.engine.build import build
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
    "wide_mlp": {"data": "mnist", "model.layers": "512-256", "batch_size": 128},
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
        print(json.dumps({"benchmark": "training_speed", **{name: measure(name, home) for name in MODELS}}))


def measure(name: str, home: Path) -> dict[str, float]:
    """Ratios of one model: ours over the tutorial's loop, and ours with streaming over ours without."""
    config = RunConfig().changed({**MODELS[name], "epochs": EPOCHS[name], "health": False})
    watched = config.changed({"health": True})
    measured = rounds(
        {
            "tutorial": lambda: tutorial(config, home),
            "ours": lambda: streamed(config, home),
            "watched": lambda: streamed(watched, home),
            "silent": lambda: ours(config, home, Silent()),
        }
    )
    return {
        "steps_per_s": round(max(measured["ours"])),
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
    begun = time.perf_counter()
    for _ in range(config.epochs):
        trainer.train_epoch()
        state.epoch, state.batch, state.batch_losses, state.outputs = state.epoch + 1, 0, [], []
    return state.step / (time.perf_counter() - begun)


def tutorial(config: RunConfig, home: Path) -> float:
    """Steps a second of the usual loop on the same network and data."""
    run = build(config, home)
    model, criterion = (
        run.model,
        torch.nn.MSELoss() if run.data.task == "regression" else torch.nn.CrossEntropyLoss(),
    )
    for parameter in model.parameters():  # undo the flat vector and its memory order
        parameter.data, parameter.grad = parameter.data.clone(memory_format=torch.contiguous_format), None
    kind = torch.optim.AdamW if config.optimizer.name == "adamw" else torch.optim.Adam
    optimizer = kind(model.parameters(), lr=config.learning_rate)
    loader = DataLoader(
        TensorDataset(run.data.train.inputs, run.data.train.targets),
        batch_size=config.batch_size,
        shuffle=True,
    )
    history, begun = [], time.perf_counter()
    model.train()
    for _ in range(config.epochs):
        for inputs, targets in loader:
            if len(inputs) == 1:
                continue
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            loss.backward()
            norm = sum(p.grad.norm().item() ** 2 for p in model.parameters() if p.grad is not None) ** 0.5
            optimizer.step()
            history.append((loss.item(), optimizer.param_groups[0]["lr"], norm))
    return len(history) / (time.perf_counter() - begun)


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
