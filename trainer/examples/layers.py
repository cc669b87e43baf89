"""Examples of what makes a network: normalization, dropout, initial weights, and whole models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from trainer.config import RunConfig
from trainer.engine.network import build_model
from trainer.examples import Case, Values, example, plot, result, table
from trainer.lazy import lazy
from trainer.streams import generator

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

FOUR = (1.0, 3.0, 5.0, 7.0)
FAN_OUT, FAN_IN = 256, 128
UNITS, DRAWS = 8, 10_000


@example("normalization")
def normalization(case: Case) -> Values:
    """Four samples of four features; each row and each column holds the numbers 1, 3, 5, 7."""
    inputs = torch.tensor([FOUR[place:] + FOUR[:place] for place in range(4)])
    modules = torch.nn.Sequential(*case(4, 0, torch.nn.Identity()).values())
    with torch.no_grad():
        trained = modules.train()(inputs)
        evaluated = modules.eval()(inputs)
    columns = ["", *(f"feature {number}" for number in range(1, 5))]
    parts = [
        table("Input", columns, _samples(inputs)),
        table("In training", columns, _samples(trained)),
        table("In evaluation, after this one step", columns, _samples(evaluated)),
    ]
    if buffers := {name: value for name, value in modules.named_buffers() if value.ndim}:
        rows = [
            [name.rpartition(".")[2].replace("_", " "), *value.tolist()] for name, value in buffers.items()
        ]
        parts.append(table("Running statistics after this one step", columns, rows))
    return result(
        "The numbers 1, 3, 5, 7 have mean 4 and biased variance 5, whichever way they are normalized.", *parts
    )


def _samples(values: torch.Tensor) -> list[list[Any]]:
    return [[f"sample {number}", *row] for number, row in enumerate(values.tolist(), start=1)]


@example("dropout")
def dropout(case: Case) -> Values:
    """Eight units through the module: two training steps, the mean of many, and evaluation."""
    inputs = torch.arange(1.0, UNITS + 1)
    module = case("hidden") or torch.nn.Identity()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(88)
        module.train()
        draws = module(inputs.expand(DRAWS, UNITS))
    evaluated = module.eval()(inputs)
    columns = ["", *(f"unit {number}" for number in range(UNITS))]
    rows = [
        ["input", *inputs.tolist()],
        ["training, one step", *draws[0].tolist()],
        ["training, the next", *draws[1].tolist()],
        [f"mean of {DRAWS:,} steps", *draws.double().mean(0).tolist()],
        ["evaluation", *evaluated.tolist()],
    ]
    return result(
        f"At rate {case.knobs['rate']:g}. Kept units are divided by 1 − p, so the mean over many steps is the input itself.",
        table("One layer of eight units", columns, rows),
    )


@example("initialization")
def initialization(case: Case) -> Values:
    """The weights of a layer with 128 inputs and 256 outputs, drawn as in a run, and a signal through eight ReLU layers."""
    weight = draw_weight(case, FAN_OUT, FAN_IN, "example")
    values, expected = weight.double(), case.technique.facts.get("variance")
    rows: list[list[Any]] = [
        ["mean", float(values.mean()), None],
        ["variance", float(values.var()), expected(FAN_IN, FAN_OUT, case.knobs) if expected else None],
        ["smallest", float(values.min()), None],
        ["largest", float(values.max()), None],
    ]
    counts, edges = torch.histogram(weight.flatten(), bins=41)
    middles = ((edges[1:] + edges[:-1]) / 2).tolist()
    sizes = _through_layers(case)
    layers = [float(layer) for layer in range(len(sizes))]
    return result(
        f"{FAN_OUT * FAN_IN:,} weights of a layer from {FAN_IN} to {FAN_OUT} units.",
        table("Measured and by formula", ["", "measured", "formula"], rows),
        plot("Distribution of the weights", "weight", "count", {"weights": (middles, counts.tolist())}),
        plot(
            "Scale of a signal through ReLU layers of 128 units",
            "layer",
            "log₁₀ of its root mean square",
            {"signal": (layers, [math.log10(max(size, 1e-30)) for size in sizes])},
        ),
    )


def draw_weight(case: Case, rows: int, columns: int, name: str) -> torch.Tensor:
    """Returns a weight [rows, columns] drawn by the scheme, from a stream as in a run."""
    weight = torch.zeros(rows, columns)
    with torch.no_grad():
        case(weight, torch.zeros(rows), generator(0, "weights", name))
    return weight


def _through_layers(case: Case, depth: int = 8) -> list[float]:
    """Returns the root mean square of a signal before the first ReLU layer and after each."""
    signal = torch.randn(256, FAN_IN, generator=generator(0, "example"))
    sizes = [float(signal.square().mean().sqrt())]
    for layer in range(depth):
        signal = torch.relu(signal @ draw_weight(case, FAN_IN, FAN_IN, f"example{layer}").T)
        sizes.append(float(signal.square().mean().sqrt()))
    return sizes


SHAPES = {
    "image": ("digits", (1, 8, 8), 10, 0),
    "sequence": ("adding", (50, 2), 1, 0),
    "text": ("reviews", (18,), 2, 68),
}


@example("model")
def model(case: Case) -> Values:
    """The network as a run builds it, with the output shape of each part for a batch of two."""
    kind = case.technique.facts.get("accepts", ("image",))[0]
    data, shape, outputs, vocabulary = SHAPES[kind]
    flat = {f"model.{name}": value for name, value in case.knobs.items()}
    config = RunConfig.from_flat({"data": data, "model": case.technique.name, **flat})
    network = build_model(config, shape, outputs, torch.device("cpu"), vocabulary).eval()
    shapes: dict[torch.nn.Module, str] = {}

    def watch(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        tensor = output[0] if isinstance(output, tuple) else output
        shapes[module] = " × ".join(map(str, tensor.shape))

    for module in network.modules():
        module.register_forward_hook(watch)
    with torch.no_grad():
        network(torch.ones(2, *shape, dtype=torch.int64) if vocabulary else torch.zeros(2, *shape))
    rows: list[list[Any]] = [["input", "", f"2 × {' × '.join(map(str, shape))}", 0]]
    for name, module in network.named_modules():
        own = sum(parameter.numel() for parameter in module.parameters(recurse=False))
        if not list(module.children()) or own:
            rows.append([name, type(module).__name__, shapes.get(module, "–"), own])
    total = sum(parameter.numel() for parameter in network.parameters())
    return result(
        f"{total:,} parameters on the data set “{data}”, with every other knob at its default.",
        table(
            "From the input to the output, for a batch of two",
            ["name", "layer", "output", "parameters"],
            rows,
        ),
    )
