"""What checkpoints to branch from cost: CPU time of whole runs that keep them and of runs that only resume. Prints one JSON line.

    python tests/bench/kept_cost.py [MODEL …]

Both contestants train the same epochs through the product's own loop, into a real store and folder, with ordinary checkpoints;
they take turns, and the ratio is the median over the rounds. `cost` is the share of CPU time: 0.01 is 1%.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import torch
from interleaved import ratio, rounds
from training_speed import MODELS, with_recorder

from trainer.config import RunConfig
from trainer.engine.build import build
from trainer.engine.loop import CHECKPOINT_EVERY, Trainer
from trainer.engine.state import State
from trainer.processes.recorder import Recorder

CASES = {"delivery_mlp": MODELS["delivery_mlp"], "default": {}, "moons": {"data": "two_moons"}}
EPOCHS = {"delivery_mlp": 60, "default": 60, "moons": 150}


class Resuming(Trainer):
    """Saves as often, and keeps nothing."""

    def save_epoch(self) -> None:
        """Writes an ordinary checkpoint at most once a second."""
        if time.perf_counter() - self.saved_at > CHECKPOINT_EVERY:
            self.save()


def main(names: list[str]) -> None:
    """Measures the named cases, or all."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        costs = {name: measure(name, Path(folder)) for name in names or CASES}
        print(json.dumps({"benchmark": "kept_cost", **costs}))


def measure(name: str, home: Path) -> dict[str, float]:
    """One case: the share of CPU time that keeping takes."""
    config = RunConfig().changed({**CASES[name], "epochs": EPOCHS[name]})
    measured = rounds(
        {
            "keeping": lambda: seconds(config, home, Trainer),
            "resuming": lambda: seconds(config, home, Resuming),
        }
    )
    return {"cost": round(ratio(measured, "keeping", "resuming") - 1, 3)}


def seconds(config: RunConfig, home: Path, kind: type[Trainer]) -> float:
    """CPU seconds of a whole run."""

    def use(recorder: Recorder) -> float:
        with tempfile.TemporaryDirectory() as folder:
            trainer = kind(build(config, home), State(), Path(folder), recorder, lambda: None)
            begun = time.process_time()
            trainer.run_epochs()
            return time.process_time() - begun

    return with_recorder(config, home, use)


if __name__ == "__main__":
    main(sys.argv[1:])
