"""Recurrent networks: plain RNN, LSTM and GRU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from trainer.lazy import lazy
from trainer.models.parts import Parts, narrow_knobs, sequential
from trainer.registry import knob, technique

if TYPE_CHECKING:
    import torch

    from trainer import layers as nn_layers
else:
    torch = lazy("torch")
    nn_layers = lazy("trainer.layers")

Hidden = Annotated[
    int, knob("Hidden size", "Units that carry the memory.", ge=1, le=1024, step=16, unit="units")
]
Depth = Annotated[int, knob("Depth", "Recurrent layers on top of each other.", ge=1, le=6, step=1)]
SEQUENCES = ("sequence", "text", "image")
RECURRENT: dict[str, Any] = {
    "accepts": SEQUENCES,
    "places": ("input", "recurrent", "hidden"),
    "normalizes": (0,),
    "before_norm": lambda knobs: ("input", "recurrent") if knobs["depth"] > 1 else ("input",),
    "recurrent": True,
    "narrow": partial(narrow_knobs, {"hidden": 64}),
}


@technique(
    "model",
    label="RNN",
    **RECURRENT,
    source="Elman 1990, Cognitive Science 14",
    link="https://doi.org/10.1207/s15516709cog1402_1",
    short=lambda inputs, outputs, parts, hidden, depth: _stacked(
        torch.nn.RNN, inputs, outputs, parts, hidden, depth
    ),
    formula=r"h_t = \tanh(W x_t + U h_{t-1} + b)",
    when="Short sequences, and to see what clipping rescues.",
)
def rnn(
    inputs: tuple[int, ...], outputs: int, parts: Parts, *, hidden: Hidden = 64, depth: Depth = 1
) -> torch.nn.Module:
    """A plain recurrent network with tanh: its gradient vanishes or explodes over long sequences.

    Input [batch, steps, features], [batch, words], or an image read row by row; output [batch, outputs] from the last step.
    """
    return _recurrent(nn_layers.RNN, inputs, outputs, parts, hidden, depth)


@technique(
    "model",
    label="LSTM",
    **RECURRENT,
    source="Hochreiter & Schmidhuber 1997, Neural Computation 9(8)",
    link="https://doi.org/10.1162/neco.1997.9.8.1735",
    short=lambda inputs, outputs, parts, hidden, depth: _stacked(
        torch.nn.LSTM, inputs, outputs, parts, hidden, depth
    ),
    formula=r"c_t = f_t \odot c_{t-1} + i_t \odot \tilde{c}_t, \qquad h_t = o_t \odot \tanh c_t",
    when="Long sequences.",
)
def lstm(
    inputs: tuple[int, ...], outputs: int, parts: Parts, *, hidden: Hidden = 64, depth: Depth = 1
) -> torch.nn.Module:
    """Gates and a cell that keeps its content: remembers over long sequences.

    Input [batch, steps, features], [batch, words], or an image read row by row; output [batch, outputs] from the last step.
    """
    return _recurrent(nn_layers.LSTM, inputs, outputs, parts, hidden, depth)


@technique(
    "model",
    label="GRU",
    **RECURRENT,
    source="Cho et al. 2014, arXiv:1406.1078",
    short=lambda inputs, outputs, parts, hidden, depth: _stacked(
        torch.nn.GRU, inputs, outputs, parts, hidden, depth
    ),
    formula=r"h_t = (1 - z_t) \odot \tilde{h}_t + z_t \odot h_{t-1}",
    when="Long sequences, with fewer parameters than an LSTM.",
)
def gru(
    inputs: tuple[int, ...], outputs: int, parts: Parts, *, hidden: Hidden = 64, depth: Depth = 1
) -> torch.nn.Module:
    """An LSTM with two gates instead of three: nearly as good, a quarter smaller.

    Input [batch, steps, features], [batch, words], or an image read row by row; output [batch, outputs] from the last step.
    """
    return _recurrent(nn_layers.GRU, inputs, outputs, parts, hidden, depth)


def _recurrent(
    kind: Callable[..., torch.nn.Module],
    inputs: tuple[int, ...],
    outputs: int,
    parts: Parts,
    hidden: int,
    depth: int,
) -> torch.nn.Module:
    modules, features = parts.sequence(inputs, hidden)
    stack, between = torch.nn.ModuleList(), torch.nn.ModuleList()
    for number in range(depth):
        stack.append(kind(features, hidden, batch_first=True))
        drop = parts.dropout("recurrent") if number < depth - 1 else {}
        between.append(nn_layers.EachStep(sequential(parts.normalize(hidden, 0, torch.nn.Identity()) | drop)))
        features = hidden
    modules["recurrent"] = nn_layers.LastStep(stack, between)
    modules |= {f"head_{name}": module for name, module in parts.dropout("hidden").items()}
    modules["output"] = torch.nn.Linear(hidden, outputs)
    return sequential(modules)


def _stacked(
    kind: Callable[..., torch.nn.Module],
    inputs: tuple[int, ...],
    outputs: int,
    parts: Parts,
    hidden: int,
    depth: int,
) -> torch.nn.Module:
    """The short form: one module of torch for all layers, unless norms stand between them."""
    modules, features = parts.sequence(inputs, hidden)
    if len(parts.normalize(hidden, 0, torch.nn.Identity())) > 1:
        stack, between = torch.nn.ModuleList(), torch.nn.ModuleList()
        for number in range(depth):
            stack.append(kind(hidden if number else features, hidden, batch_first=True))
            drop = parts.dropout("recurrent") if number < depth - 1 else {}
            between.append(sequential(parts.normalize(hidden, 0, torch.nn.Identity()) | drop))
        modules["recurrent"] = nn_layers.NormedRecurrent(stack, between)
    else:
        options: dict[str, Any] = {"num_layers": depth} if depth > 1 else {}
        if depth > 1 and (dropout := parts.drop("recurrent")) is not None:
            options["dropout"] = dropout.p
        modules["recurrent"] = nn_layers.LastOutput(kind(features, hidden, batch_first=True, **options))
    modules |= {f"head_{name}": module for name, module in parts.dropout("hidden").items()}
    modules["output"] = torch.nn.Linear(hidden, outputs)
    return sequential(modules)
