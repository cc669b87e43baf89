"""Small runs of the real engine, and everything they report, for the tests beside this file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from trainer.config import RunConfig
from trainer.engine import checkpoint, loop
from trainer.engine.build import BuiltRun, build
from trainer.engine.loop import Trainer, train, training
from trainer.engine.observer import NoObserver
from trainer.engine.report import Results
from trainer.engine.stack.together import train_together
from trainer.engine.state import State
from trainer.health.observer import HealthObserver
from trainer.lifecycle.requests import Request, RequestKind
from trainer.metrics.registry import metrics
from trainer.registry import families, find

torch.set_num_threads(1)

CPU = torch.device("cpu")
STOP = Request(RequestKind.STOP)
SMALL = {
    "data": "two_moons",
    "data.samples": 60,
    "model.layers": "8-8",
    "batch_size": 8,
    "epochs": 3,
    "device": "cpu",
}


def fitting_data(item) -> dict[str, Any]:
    """Values for a data set without files that the technique accepts, other than the usual one only where it must be."""
    kinds, task = item.facts.get("accepts"), item.facts.get("task", "classification")
    if not kinds or ("plane" in kinds and task == "classification"):
        return {}
    sets = families()["data"].techniques.values()
    fitting = [
        data
        for data in sets
        if not {"files", "own"} & data.facts.keys()
        and data.facts["kind"] in kinds
        and data.facts["task"] == task
    ]
    data = fitting[-1]
    return {"data": data.name} | ({"data.samples": 60} if "samples" in data.knobs else {"batch_size": 512})


def summed(count: int) -> float:
    """How far a sum of so many squares in float32, or its root, may be from the exact one, in whatever order a CPU adds."""
    return count * torch.finfo(torch.float32).eps


class Log:
    """A recorder that keeps everything in memory."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []  # without metrics that depend on the clock, as are epochs
        self.epochs: list[dict[str, float]] = []
        self.patience: list[float | None] = []  # early stopping's, after each epoch
        self.samples: list[dict[str, float]] = []
        self.views: dict[str, tuple[int, bytes]] = {}
        self.notices: list[str] = []
        self.facts: dict[str, Any] = {}
        self.handled_requests: list[Request] = []
        self.flushes = 0

    def step(self, point):
        self.steps.append(repeatable("step", point))

    def epoch(self, point):
        self.epochs.append(repeatable("epoch", point))

    def health(self, step, layout, sample):
        row = layout.rows([step], [sample.numpy()])[0]
        self.samples.append(dict(zip(layout.columns, row.tolist(), strict=True)))

    def view(self, name, step, data):
        self.views[name] = (step, data)

    def progress(self, facts):
        self.facts.update(facts)

    def notice(self, text):
        self.notices.append(text)

    def handled(self, request):
        self.handled_requests.append(request)

    def flush(self):
        self.flushes += 1

    def column(self, name: str) -> list[float]:
        return [row[name] for row in self.steps]

    @property
    def losses(self) -> list[float]:
        return self.column("loss")


def repeatable(kind: str, point: Any) -> dict[str, float]:
    """A point's values that are the same in every run of one configuration."""
    names = [one.name for one in metrics(kind).values() if not one.clock]
    values = {name: getattr(point, name) for name in names}
    return {name: value.item() if hasattr(value, "item") else value for name, value in values.items()}


class Killed(BaseException):
    """Stands for kill -9: the loop gets no chance to save."""


def small(**values: Any) -> RunConfig:
    """A configuration that trains in milliseconds; keys are flat, with "__" for the dot."""
    values = {key.replace("__", "."): value for key, value in values.items()}
    base = dict(SMALL)
    for family, knob in (("data", "samples"), ("model", "layers")):
        if family in values and knob not in find(family, values[family]).knobs:
            del base[f"{family}.{knob}"]
    return RunConfig.from_flat({**base, **values})


def go(config: RunConfig, folder: Path | None = None, control: Callable[[], Any] = lambda: None, **extra):
    """Trains through the front door; returns results and log."""
    log = extra.pop("log", None) or Log()
    data_folder = extra.pop("data_folder", Path("no-data-here"))
    observe = partial(HealthObserver, recorder=log)
    results = train(
        config,
        data_folder=data_folder,
        run_folder=folder,
        recorder=log,
        control=control,
        observe=observe,
        **extra,
    )
    return results, log


def go_together(configs: Iterable[RunConfig]) -> list[Results]:
    """The results of runs that differ in seeds, each step of all of them at once: the numbers of `go`, in half its time."""
    first, *others = [
        training(
            config,
            data_folder=Path("no-data-here"),
            run_folder=None,
            recorder=Log(),
            control=lambda: None,
            observe=NoObserver,
        )
        for config in configs
    ]
    return train_together(first, lambda _: others)


def trainer_of(
    config: RunConfig, control: Callable[[], Any] = lambda: None, data_folder: Path = Path("no-data-here")
) -> tuple[Trainer, Log]:
    """A trainer before its first step, whose parts a test may look at or replace."""
    log = Log()
    observe = partial(HealthObserver, recorder=log)
    return Trainer(build(config, data_folder), State(), None, log, control, observe), log


def asks(request: str, after: Iterable[int]) -> Callable[[], Request | None]:
    """A control that asks for `request` (or raises Killed for "kill") after so many steps, then once more, …"""
    counts = iter(after)
    left = next(counts, None)

    def control():
        nonlocal left
        if left is None:
            return None
        if left > 0:
            left -= 1
            return None
        left = next(counts, None)
        if request == "kill":
            raise Killed
        return Request(RequestKind(request))

    return control


def exact(values: Any) -> Any:
    """Floats as hexadecimal text, so that equality means bit for bit and NaN equals NaN."""
    if isinstance(values, float):
        return values.hex()
    if isinstance(values, dict):
        return {key: exact(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [exact(value) for value in values]
    return values


def saved_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The model in the folder's checkpoint."""
    state, problems = checkpoint.load(folder)
    assert state is not None, problems
    return state["model"]


def same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Bit for bit, NaN included."""
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype
        and torch.equal(one[name].nan_to_num(1e30), other[name].nan_to_num(1e30))
        for name in one
    )


def weights_of(run: BuiltRun) -> dict[str, torch.Tensor]:
    """A copy of the live model's parameters and buffers."""
    return {name: value.clone() for name, value in run.model.state_dict().items()}


def spoil_losses(monkeypatch, factors: dict[int, float]) -> None:
    """Multiplies the training loss of the given steps, counted from 1, by a factor."""

    def spoiled(*arguments):
        run = build(*arguments)
        plain, calls = run.loss, []

        def loss(outputs, targets):
            calls.append(1)
            return plain(outputs, targets) * factors.get(len(calls), 1)

        run.loss = loss
        return run

    monkeypatch.setattr(loop, "build", spoiled)
