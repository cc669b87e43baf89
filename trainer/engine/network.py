"""The network and its initial weights."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeGuard

from trainer.config import ConfigError, RunConfig
from trainer.lazy import lazy
from trainer.models.parts import Parts
from trainer.streams import generator

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

MAX_PARAMETERS = 100_000_000  # with Adam, they take 1.6 GB


def build_model(
    config: RunConfig, shape: tuple[int, ...], outputs: int, device: torch.device, vocabulary: int = 0
) -> torch.nn.Module:
    """Builds the network and draws its initial weights. Raises ConfigError when it has more than MAX_PARAMETERS."""
    model = assemble(config, shape, outputs, vocabulary).to_empty(device="cpu")
    with torch.no_grad():
        initialize(model, config)
    return model.to(device)


def assemble(config: RunConfig, shape: tuple[int, ...], outputs: int, vocabulary: int = 0) -> torch.nn.Module:
    """Returns the network without memory for its weights. Raises ConfigError when it has more than MAX_PARAMETERS."""
    parts = Parts(
        config.bound("normalization"), config.bound("activation"), config.bound("dropout"), vocabulary
    )
    with torch.device("meta"):  # counts without allocating
        model: torch.nn.Module = config.bound("model")(shape, outputs, parts)
    count = sum(parameter.numel() for parameter in model.parameters())
    if count > MAX_PARAMETERS:
        raise ConfigError(
            f"This {config.technique('model').label} has {count:,} parameters; the limit is {MAX_PARAMETERS:,}. "
            "Make it narrower or shallower."
        )
    return model


def initialize(model: torch.nn.Module, config: RunConfig) -> None:
    """Draws every weight from a stream keyed by its name. Biases start at 0, norms as the identity."""
    for name, module in model.named_modules():
        if embeds_words(module):  # drawn as torch.nn.Embedding does
            stream = generator(config.seed_for("weights"), "weights", f"{name}.weight")
            torch.nn.init.normal_(module.weight, generator=stream)
        elif has_matrix(module):
            draw_weights(name, module, config)
        elif hasattr(module, "reset_parameters"):
            module.reset_parameters()


def has_matrix(module: torch.nn.Module) -> bool:
    """Returns whether a module has weights that mix its inputs; norms only scale."""
    return any(parameter.ndim >= 2 for parameter in module.parameters(recurse=False))


def embeds_words(module: torch.nn.Module) -> TypeGuard[torch.nn.Embedding]:
    """Whether a module is a table of word vectors."""
    return isinstance(module, torch.nn.Embedding)


def is_recurrent(module: torch.nn.Module) -> bool:
    """Whether a module is a layer with a memory."""
    return hasattr(module, "gates")


def draw_weights(name: str, module: torch.nn.Module, config: RunConfig) -> None:
    """Fills a layer's matrices by the chosen scheme. A recurrent layer's gates are matrices of their own, stacked."""
    scheme = config.bound("initialization")
    gates = 1
    if is_recurrent(module):
        gates = getattr(module, "gates", 1)
        if config.technique("initialization").facts.get("wants_hidden"):
            scheme = partial(scheme, hidden=module.hidden_size)
    own = dict(module.named_parameters(recurse=False))
    for key, weight in own.items():
        if key.startswith("weight"):
            bias = own.get(key.replace("weight", "bias", 1))
            if bias is not None:
                torch.nn.init.zeros_(bias)
            stream = generator(config.seed_for("weights"), "weights", f"{name}.{key}")
            biases = [None] * gates if bias is None else bias.chunk(gates)
            for part, part_bias in zip(weight.chunk(gates), biases, strict=True):
                scheme(part, part_bias, stream)
