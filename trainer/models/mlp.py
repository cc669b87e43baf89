"""The multilayer perceptron."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from trainer.lazy import lazy
from trainer.models.parts import Parts, sequential
from trainer.registry import knob, technique

if TYPE_CHECKING:
    import torch

    from trainer import layers as nn_layers
else:
    torch = lazy("torch")
    nn_layers = lazy("trainer.layers")


def hidden_sizes(depth: int, width: int, layers: str) -> list[int]:
    """Units of each hidden layer."""
    return [int(size) for size in layers.split("-")] if layers else [width] * depth


def before_norm(knobs: Mapping[str, Any]) -> tuple[str, ...]:
    """The first norm follows the dropout of the input, each further one that of a hidden layer."""
    norms = len(hidden_sizes(**knobs))
    return ("input", "hidden")[:norms]


def narrow(knobs: Mapping[str, Any], least: int) -> tuple[str, dict[str, Any]]:
    """The narrowest layer, or that there is none; one fix serves both."""
    sizes = hidden_sizes(**knobs)
    if sizes and min(sizes) > least:
        return "", {}
    return f"{min(sizes)} units in its narrowest layer" if sizes else "no hidden layer", {"layers": "64-64"}


@technique(
    "model",
    label="MLP",
    places=("input", "hidden"),
    normalizes=(0,),
    before_norm=before_norm,
    narrow=narrow,
    short=lambda inputs, outputs, parts, depth, width, layers: _perceptron(
        inputs,
        outputs,
        parts,
        hidden_sizes(depth, width, layers),
        partial(torch.nn.EmbeddingBag, padding_idx=0),
    ),
    source="Rumelhart, Hinton & Williams 1986, Nature 323",
    link="https://doi.org/10.1038/323533a0",
    formula=r"h_l = f(W_l h_{l-1} + b_l), \qquad \hat{y} = W h_L + b",
    when="Tables, points, and as the baseline for everything else.",
)
def mlp(
    inputs: tuple[int, ...],
    outputs: int,
    parts: Parts,
    *,
    depth: Annotated[int, knob("Depth", "Number of hidden layers.", ge=0, le=20, step=1, unit="layers")] = 2,
    width: Annotated[
        int, knob("Width", "Units in each hidden layer.", ge=1, le=4096, step=16, unit="units")
    ] = 128,
    layers: Annotated[
        str,
        knob(
            "Exact layers",
            "Up to 20 hidden sizes of at most 9999, such as 128-64-32; when set, depth and width are ignored.",
            pattern=r"^$|^[1-9][0-9]{0,3}(-[1-9][0-9]{0,3}){0,19}$",
        ),
    ] = "",
) -> torch.nn.Module:
    """Fully connected layers, each followed by normalization, activation and dropout as chosen.

    Input [batch, *inputs], flattened, or [batch, words], whose vectors are averaged; output [batch, outputs].
    Neither norm, activation nor dropout follows the last layer.
    """
    return _perceptron(inputs, outputs, parts, hidden_sizes(depth, width, layers), nn_layers.MeanEmbedding)


def _perceptron(
    inputs: tuple[int, ...],
    outputs: int,
    parts: Parts,
    sizes: list[int],
    embed: Callable[[int, int], torch.nn.Module],
) -> torch.nn.Module:
    """The network with hidden layers of these sizes; `embed` makes what averages the vectors of words."""
    modules: dict[str, torch.nn.Module] = {"flatten": torch.nn.Flatten()} if len(inputs) > 1 else {}
    features = math.prod(inputs)
    if parts.vocabulary:
        features = sizes[0] if sizes else 32
        modules["embedding"] = embed(parts.vocabulary, features)
    if (drop := parts.drop("input")) is not None:
        modules["input_dropout"] = drop
    for number, size in enumerate(sizes, start=1):
        block = parts.block("linear", torch.nn.Linear(features, size), size, 0) | parts.dropout("hidden")
        modules[f"hidden{number}"] = sequential(block)
        features = size
    modules["output"] = torch.nn.Linear(features, outputs)
    return sequential(modules)
