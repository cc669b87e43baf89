"""What watching a run's health costs: steps a second of whole runs with it and without. Prints one JSON line.

    python tests/bench/health_cost.py [MODEL …]

Both contestants train the same epochs through the product's own loop into a real store, validation after each epoch
included; they take turns, and the ratio is the median over the rounds. `cost` is the share of training time: 0.05 is 5%.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import torch
from interleaved import ratio, rounds
from training_speed import MODELS, with_recorder, write_mnist

from trainer.config import RunConfig
from trainer.engine.build import build
from trainer.engine.loop import Trainer
from trainer.engine.state import State
from trainer.health.observer import HealthObserver
from trainer.processes.recorder import Recorder

CASES = MODELS | {
    "default": {},
    "moons": {"data": "two_moons"},
    "lstm": {"data": "adding", "model": "lstm"},
    "gru": {"data": "adding", "model": "gru"},
}
EPOCHS = {"delivery_mlp": 150, "default": 150, "moons": 150, "wide_mlp": 15, "cnn": 10, "resnet": 8, "rnn": 8,
          "lstm": 6, "gru": 6, "transformer": 6}  # fmt: skip


def main(names: list[str]) -> None:
    """Measures the named cases, or all."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_mnist(home / "MNIST" / "raw", samples=3000)
        costs = {name: measure(name, home) for name in names or CASES}
        print(json.dumps({"benchmark": "health_cost", **costs}))


def measure(name: str, home: Path) -> dict[str, float]:
    """One case: steps a second with health recorded, and the share of time that it takes."""
    config = RunConfig().changed({**CASES[name], "epochs": EPOCHS[name]})
    without = config.changed({"health": False})
    measured = rounds({"on": lambda: speed(config, home), "off": lambda: speed(without, home)})
    return {"steps_per_s": round(max(measured["on"])), "cost": round(1 - ratio(measured, "on", "off"), 3)}


def speed(config: RunConfig, home: Path) -> float:
    """Steps a second of a whole run."""

    def use(recorder: Recorder) -> float:
        run, state = build(config, home), State()
        trainer = Trainer(
            run, state, None, recorder, lambda: None, partial(HealthObserver, recorder=recorder)
        )
        begun = time.perf_counter()
        trainer.run_epochs()
        return state.step / (time.perf_counter() - begun)

    return with_recorder(config, home, use)


if __name__ == "__main__":
    main(sys.argv[1:])
