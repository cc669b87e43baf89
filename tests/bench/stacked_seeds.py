"""What eight seeds cost beside one: through the queue, on as many workers as there are cores. Prints one JSON line.

    python tests/bench/stacked_seeds.py [--experiments] [--sizes]

Seconds go from queueing to the last end state. `together` are eight seeds of an arm, which the workers train in stacks; `apart`
are the same configurations as runs of their own, a process each; both relative to `one` run, in the same round. `cpu` compares
the CPU seconds of a worker, which other processes bend less: stacks of four and eight relative to one run. With `--experiments`,
also how long the five ready-made comparisons with six seeds and a ladder of 7 arms x 8 seeds take. With `--sizes` it prints
nothing else than what the bound on the size of layers (flat.py) rests on: how many times as fast, in CPU seconds, four seeds
train stacked as one after the other, by units of the two hidden layers and by batch size.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import torch
from interleaved import ratio, rounds
from training_speed import MODELS

from trainer.comparison.analysis import start
from trainer.comparison.design import make_design
from trainer.config import RunConfig
from trainer.engine import flat
from trainer.engine.loop import Training, alone, training
from trainer.engine.observer import NoObserver
from trainer.engine.report import Results
from trainer.engine.stack.together import train_together
from trainer.foreground.comparing import follow, supervised
from trainer.presets import PRESETS, RECIPE
from trainer.processes.control import Control
from trainer.processes.worker import attempt_steps
from trainer.settings import Settings
from trainer.store import Store
from trainer.store.comparisons import Planned

SEEDS = 8
WIDTHS, BATCHES = (32, 64, 128, 192, 256, 320, 384, 512), (32, 128)
EXPERIMENTS = ("optimizers", "batch_norm", "dropout", "schedules", "full_recipe")
DELIVERY = RunConfig.from_flat({**MODELS["delivery_mlp"], "epochs": 40, "device": "cpu"})
LADDER = {"data": "digits", "batch_size": 64, "epochs": 10, "device": "cpu"}


def main() -> None:
    """Measures and prints."""
    found: dict[str, Any] = {"benchmark": "stacked_seeds"}
    if "--sizes" in sys.argv:
        print(json.dumps(found | {"sizes": sizes()}))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"TRAINSCOPE_HOME": folder, "TRAINSCOPE_DATABASE_URL": ""}  # for the supervisor, too
        settings = Settings()
        store = Store(settings.url)
        found["cpu"] = cpu(store, settings)
        with supervised(store):
            while store.supervisor_status() != "ready":
                time.sleep(0.1)
            found |= {"workers": settings.max_workers, "queue": queue(store)}
            if "--experiments" in sys.argv:
                found["seconds"] = experiments(store)
    print(json.dumps(found))


def cpu(store: Store, settings: Settings) -> dict[str, float]:
    """CPU seconds of stacks relative to one run, recording and checkpoints included."""
    torch.set_num_threads(1)
    sizes = (1, SEEDS // 2, SEEDS)
    measured = rounds({str(count): partial(cpu_seconds, store, settings, count) for count in sizes}, 5)
    return {f"{count} together": ratio(measured, str(count), "1") for count in sizes[1:]}


def cpu_seconds(store: Store, settings: Settings, count: int) -> float:
    """Trains so many seeds in this process, as a worker does."""

    def steps(config: RunConfig) -> Training[int]:
        run_id = store.create_run(config.to_dict(), "bench")
        return attempt_steps(store, run_id, store.claim(run_id) or 0, settings, Control())

    began = time.process_time()
    first, *others = [steps(config.changed({"epochs": 10})) for config in replicates(count)]
    train_together(first, lambda _: others)
    return time.process_time() - began


def sizes() -> dict[str, dict[int, float]]:
    """How many times as fast a stack of four is, by batch size and width of the hidden layers; also beyond the bound."""
    torch.set_num_threads(1)
    found: dict[str, dict[int, float]] = {}
    for batch in BATCHES:
        by_width = found[f"batch {batch}"] = {}
        for width in WIDTHS:
            config = RunConfig.from_flat(
                {
                    **LADDER,
                    "batch_size": batch,
                    "epochs": 2,
                    "model.layers": f"{width}-{width}",
                    "health": False,
                }
            )
            configs = [config.changed({"seed": seed}) for seed in range(4)]
            measured = rounds(
                {"apart": partial(plain_seconds, configs), "stack": partial(stack_seconds, configs)}, 3
            )
            by_width[width] = ratio(measured, "apart", "stack")
    return found


def plain_seconds(configs: Sequence[RunConfig]) -> float:
    """CPU seconds of the engine alone, one run after the other."""
    began = time.process_time()
    for config in configs:
        alone(engine_steps(config))
    return time.process_time() - began


def stack_seconds(configs: Sequence[RunConfig]) -> float:
    """The same in lockstep, whatever the size of their layers."""
    bound, flat.MIN_SEPARATE_ELEMENTS = flat.MIN_SEPARATE_ELEMENTS, 10**9
    try:
        began = time.process_time()
        first, *others = map(engine_steps, configs)
        train_together(first, lambda _: others)
        return time.process_time() - began
    finally:
        flat.MIN_SEPARATE_ELEMENTS = bound


def engine_steps(config: RunConfig) -> Training[Results]:
    """A run that records nothing."""
    return training(
        config,
        data_folder=Path("none"),
        run_folder=None,
        recorder=Silence(),
        control=lambda: None,
        observe=NoObserver,
    )


class Silence:
    """Takes every report, and keeps none."""

    def _ignore(self, *_: Any) -> None: ...

    step = epoch = progress = notice = handled = flush = _ignore


def queue(store: Store) -> dict[str, Any]:
    """Seconds through the queue, and their ratios."""
    contestants: dict[str, Callable[[], float]] = {
        "one": partial(together, store, replicates(1)),
        "together": partial(together, store, replicates(SEEDS)),
        "apart": partial(apart, store, replicates(SEEDS)),
    }
    measured = rounds(contestants, 3)
    ratios = {name: ratio(measured, name, "one") for name in ("together", "apart")}
    return {
        "ratios": ratios,
        "seconds": {name: [round(one, 2) for one in values] for name, values in measured.items()},
    }


def replicates(count: int) -> list[RunConfig]:
    """The delivery MLP with so many seeds."""
    return [DELIVERY.changed({"seed": seed}) for seed in range(count)]


def together(store: Store, configs: Sequence[RunConfig]) -> float:
    """Queues these as one arm of a comparison."""
    design = make_design({"one": DELIVERY, "other": DELIVERY.changed({"learning_rate": 0.5})}, len(configs))
    planned = [Planned(0, place, str(place), config.to_dict()) for place, config in enumerate(configs)]
    began = time.perf_counter()
    follow(store, store.create_comparison(design.model_dump(), planned, "bench"), lambda runs: None)
    return time.perf_counter() - began


def apart(store: Store, configs: Sequence[RunConfig]) -> float:
    """Queues each as a run by itself."""
    began = time.perf_counter()
    ids = [store.create_run(config.to_dict(), "bench") for config in configs]
    while not all(store.run(one).is_over for one in ids):
        time.sleep(0.2)
    return time.perf_counter() - began


def experiments(store: Store) -> dict[str, float]:
    """Seconds of the ready-made comparisons, and of a ladder on digits."""
    designs = {name: PRESETS[name].design(seeds=6) for name in EXPERIMENTS}
    arms = {"baseline": LADDER, **{name: {**LADDER, **changes} for name, changes in RECIPE.items()}}
    designs["ladder"] = make_design({name: RunConfig.from_flat(arm) for name, arm in arms.items()}, SEEDS)
    seconds = {}
    for name, design in designs.items():
        began = time.perf_counter()
        follow(store, start(store, design, "bench", name), lambda runs: None)
        seconds[name] = round(time.perf_counter() - began, 1)
    return {**seconds, "all but the ladder": round(sum(seconds[name] for name in EXPERIMENTS), 1)}


if __name__ == "__main__":
    main()
