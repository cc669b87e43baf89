"""A Transformer encoder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from trainer.lazy import lazy
from trainer.models.parts import Parts, narrow_knobs, sequential
from trainer.models.recurrent import SEQUENCES
from trainer.registry import knob, technique

if TYPE_CHECKING:
    import torch

    from trainer import layers as nn_layers
else:
    torch = lazy("torch")
    nn_layers = lazy("trainer.layers")


@technique(
    "model",
    label="Transformer",
    accepts=SEQUENCES,
    places=("input", "attention", "feedforward", "hidden"),
    normalizes=(),
    own_normalization=True,
    before_norm=lambda _: (),
    narrow=partial(narrow_knobs, {"head_size": 16}),
    short=lambda inputs, outputs, parts, heads, head_size, blocks, norm: _encoder(
        inputs, outputs, parts, heads, heads * head_size, blocks, norm == "pre"
    ),
    source="Vaswani et al. 2017, arXiv:1706.03762; pre-norm: Xiong et al. 2020, arXiv:2002.04745",
    formula=(
        r"x \leftarrow x + \mathrm{Attn}(\mathrm{norm}(x)), \quad x \leftarrow x + "
        r"\mathrm{FFN}(\mathrm{norm}(x)), \quad \mathrm{Attn} = "
        r"\mathrm{softmax}\big(\tfrac{QK^\top}{\sqrt{d}}\big) V"
    ),
    when=(
        "Sequences where any step may matter to any other. Post-norm needs warmup, pre-norm bears the full "
        "rate from the start."
    ),
)
def transformer(
    inputs: tuple[int, ...],
    outputs: int,
    parts: Parts,
    *,
    heads: Annotated[int, knob("Heads", "Attention heads.", ge=1, le=16, step=1)] = 4,
    head_size: Annotated[int, knob("Head size", "Features of each head.", ge=2, le=128, step=2)] = 16,
    blocks: Annotated[int, knob("Blocks", "Encoder blocks.", ge=1, le=12, step=1)] = 2,
    norm: Annotated[
        Literal["pre", "post"],
        knob(
            "Layer norm",
            "Before each sublayer (stable) or after each sum (needs warmup).",
            labels={"pre": "Before (pre-norm)", "post": "After (post-norm)"},
        ),
    ] = "pre",
) -> torch.nn.Module:
    """Self-attention and a feed-forward layer four times as wide, in residual blocks with layer norm of their own.

    Input [batch, steps, features], [batch, words], or an image read row by row; output [batch, outputs] from the average
    over steps. The normalization knob does not apply: layer norm is part of a Transformer.
    """
    size = heads * head_size
    embed, features = parts.sequence(inputs, size)
    if features != size or "embedding" not in embed:
        embed["project"] = torch.nn.Linear(features, size)
    stack = torch.nn.ModuleList(_block(size, heads, parts, norm == "pre") for _ in range(blocks))
    final = torch.nn.LayerNorm(size) if norm == "pre" else torch.nn.Identity()
    modules: dict[str, torch.nn.Module] = {
        "encoder": nn_layers.Encoder(sequential(embed), stack, final, bool(parts.vocabulary))
    }
    modules |= {f"head_{name}": module for name, module in parts.dropout("hidden").items()}
    modules["output"] = torch.nn.Linear(size, outputs)
    return sequential(modules)


def _block(size: int, heads: int, parts: Parts, first: bool) -> torch.nn.Module:
    attention_drop, drop = parts.drop("attention"), parts.drop("feedforward")
    attention = nn_layers.Attention(size, heads, getattr(attention_drop, "p", 0.0))
    feedforward = sequential(
        {
            "expand": torch.nn.Linear(size, 4 * size),
            "activation": parts.activate(),
            "contract": torch.nn.Linear(4 * size, size),
        }
    )
    norms = torch.nn.LayerNorm(size), torch.nn.LayerNorm(size)
    return nn_layers.EncoderBlock(attention, feedforward, norms, drop or torch.nn.Identity(), first)


def _encoder(
    inputs: tuple[int, ...], outputs: int, parts: Parts, heads: int, size: int, blocks: int, first: bool
) -> torch.nn.Module:
    """The short form: torch's own encoder between embedding and average."""
    embed, features = parts.sequence(inputs, size)
    if features != size or "embedding" not in embed:
        embed["project"] = torch.nn.Linear(features, size)
    attention, drop = parts.drop("attention"), parts.drop("feedforward")
    options: dict[str, Any] = {"activation": parts.activate(), "norm_first": first}
    if attention is None and drop is None:
        layer = torch.nn.TransformerEncoderLayer(size, heads, 4 * size, 0.0, batch_first=True, **options)
    else:
        rates = [getattr(one, "p", 0.0) for one in (attention, drop)]
        layer = nn_layers.EncoderLayer(size, heads, rates[0], rates[1], **options)
    final: dict[str, Any] = {"norm": torch.nn.LayerNorm(size)} if first else {}
    encoder = torch.nn.TransformerEncoder(layer, blocks, **final, enable_nested_tensor=False)
    kind = nn_layers.WordEncoder if parts.vocabulary else nn_layers.StepEncoder
    modules: dict[str, torch.nn.Module] = {"encoder": kind(sequential(embed), encoder)}
    modules |= {f"head_{name}": module for name, module in parts.dropout("hidden").items()}
    modules["output"] = torch.nn.Linear(size, outputs)
    return sequential(modules)
