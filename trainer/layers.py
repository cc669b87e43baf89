"""Network layers that torch.nn does not have ready: used by the models, imported only where a network is built."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn


class Residual(nn.Module):
    """out = after(body(x) + skip(x)); source: He et al. 2015, arXiv:1512.03385."""

    adds_input = True

    def __init__(self, body: nn.Module, skip: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.body, self.skip, self.after = body, skip, after

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Any shape that body and skip agree on."""
        result: torch.Tensor = self.after(self.body(inputs) + self.skip(inputs))
        return result


class ImageRows(nn.Module):
    """Reads an image from top to bottom as a sequence: [batch, channels, height, width] → [batch, height, channels · width]."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """A row of pixels, all channels side by side, is one step."""
        return images.permute(0, 2, 1, 3).flatten(2)


class MeanEmbedding(nn.Module):
    """The mean of a text's word vectors; word 0 is padding and does not count. [batch, words] int64 → [batch, size]."""

    def __init__(self, vocabulary: int, size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Order plays no part: a bag of words."""
        real = (words != 0).unsqueeze(2)
        mean: torch.Tensor = (self.embedding(words) * real).sum(1) / real.sum(1).clamp(min=1)
        return mean


class EachStep(nn.Module):
    """Applies a module for vectors to every step of a sequence: [batch, steps, features] → the same shape.

    Norms of vectors then see features where features are; batch norm takes its statistics over batch and steps.
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """Steps are rows of one long batch."""
        steps: torch.Tensor = self.body(sequence.flatten(0, 1))
        return steps.view_as(sequence)


class RNN(nn.RNN):
    """torch.nn.RNN, one matrix for the input and one for the state."""

    gates = 1
    hook_point = True


class LSTM(nn.LSTM):
    """torch.nn.LSTM: input, forget, cell and output gate."""

    gates = 4
    hook_point = True


class GRU(nn.GRU):
    """torch.nn.GRU: reset, update and new gate."""

    gates = 3
    hook_point = True


class LastStep(nn.Module):
    """Runs a recurrent layer and keeps its output at the last step: [batch, steps, features] → [batch, hidden]."""

    def __init__(self, layers: nn.ModuleList, between: nn.ModuleList) -> None:
        super().__init__()
        self.layers, self.between = layers, between

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """Texts are padded in front, so the last step is always a word."""
        for layer, between in zip(self.layers, self.between, strict=True):
            if lacks_float16(layer, sequence):
                with torch.autocast("cpu", enabled=False):
                    sequence = layer(sequence.float())[0]
            else:
                sequence = layer(sequence)[0]
            sequence = between(sequence)
        return sequence[:, -1]


def lacks_float16(layer: nn.Module, sequence: torch.Tensor) -> bool:
    """Whether autocast asks for what torch refuses: an LSTM in float16 on a CPU. It then runs in float32."""
    half = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.float16
    return isinstance(layer, nn.LSTM) and sequence.device.type == "cpu" and half


class Positions(nn.Module):
    """Adds sines and cosines of the position; source: Vaswani et al. 2017, arXiv:1706.03762."""

    def forward(self, sequence: torch.Tensor, real: torch.Tensor | None) -> torch.Tensor:
        """[batch, steps, features] → the same shape. Where `real` marks the words, the first of them has position 0."""
        steps, features = sequence.shape[1:]
        place = torch.arange(steps, device=sequence.device, dtype=torch.float32)[:, None]
        rate = torch.exp(
            torch.arange(0, features, 2, device=sequence.device) * (-math.log(10_000) / features)
        )
        waves = torch.stack([(place * rate).sin(), (place * rate).cos()], dim=2).flatten(1)[:, :features]
        return sequence + (waves if real is None else waves[(real.cumsum(1) - 1).clamp(min=0)])


class Attention(nn.Module):
    """Multi-head self-attention over [batch, steps, features]; positions where `real` is False are masked out."""

    def __init__(self, features: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value = (nn.Linear(features, features) for _ in range(3))
        self.output = nn.Linear(features, features)

    def forward(self, sequence: torch.Tensor, real: torch.Tensor | None) -> torch.Tensor:
        """Returns the same shape."""
        batch, steps, features = sequence.shape

        def split(part: torch.Tensor) -> torch.Tensor:
            return part.view(batch, steps, self.heads, -1).transpose(1, 2)

        mask = None if real is None else real[:, None, None, :]
        mixed = nn.functional.scaled_dot_product_attention(
            split(self.query(sequence)),
            split(self.key(sequence)),
            split(self.value(sequence)),
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
        )
        result: torch.Tensor = self.output(mixed.transpose(1, 2).reshape(batch, steps, features))
        return result


class EncoderBlock(nn.Module):
    """x + attention(norm(x)), then x + feedforward(norm(x)); with `first` off, the sum is normalized instead."""

    adds_input = True
    hook_point = True

    def __init__(
        self,
        attention: Attention,
        feedforward: nn.Module,
        norms: tuple[nn.Module, nn.Module],
        drop: nn.Module,
        first: bool,
    ) -> None:
        super().__init__()
        self.attention, self.feedforward, self.drop, self.first = attention, feedforward, drop, first
        self.norm1, self.norm2 = norms
        self.same = nn.Identity()

    def forward(self, sequence: torch.Tensor, real: torch.Tensor | None) -> torch.Tensor:
        """[batch, steps, features] → the same shape."""
        before1, before2 = (self.norm1, self.norm2) if self.first else (self.same, self.same)
        after1, after2 = (self.same, self.same) if self.first else (self.norm1, self.norm2)
        middle = after1(sequence + self.drop(self.attention(before1(sequence), real)))
        result: torch.Tensor = after2(middle + self.drop(self.feedforward(before2(middle))))
        return result


class Encoder(nn.Module):
    """Embeds a sequence, passes it through the blocks and averages over its real steps: → [batch, features]."""

    def __init__(self, embed: nn.Module, blocks: nn.ModuleList, final: nn.Module, words: bool) -> None:
        super().__init__()
        self.embed, self.blocks, self.final, self.words = embed, blocks, final, words
        self.positions = Positions()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[batch, steps, features] float, or [batch, words] int64 with 0 as padding."""
        real = inputs != 0 if self.words else None
        sequence: torch.Tensor = self.positions(self.embed(inputs), real)
        for block in self.blocks:
            sequence = block(sequence, real)
        sequence = self.final(sequence)
        if real is None:
            return sequence.mean(1)
        weight = real.unsqueeze(2)
        return (sequence * weight).sum(1) / weight.sum(1).clamp(min=1)


# What short scripts have in the place of the layers above: torch's own, with as little around them as they need.


class LastOutput(nn.Module):
    """The last step's output of a recurrent layer: [batch, steps, features] → [batch, hidden]."""

    def __init__(self, recurrent: nn.Module) -> None:
        super().__init__()
        self.recurrent = recurrent

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """Texts are padded in front, so the last step is always a word."""
        outputs: torch.Tensor = self.recurrent(sequence)[0]
        return outputs[:, -1]


class NormedRecurrent(nn.Module):
    """Recurrent layers with a module for vectors after each: [batch, steps, features] → [batch, hidden] of the last step."""

    def __init__(self, layers: nn.ModuleList, between: nn.ModuleList) -> None:
        super().__init__()
        self.layers, self.between = layers, between

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """Norms see the steps as rows of one long batch."""
        for layer, between in zip(self.layers, self.between, strict=True):
            outputs = layer(sequence)[0]
            sequence = between(outputs.flatten(0, 1)).view_as(outputs)
        return sequence[:, -1]


class EncoderLayer(nn.TransformerEncoderLayer):
    """torch's, with dropout on the attention weights and after each sublayer, but none inside the feed-forward one."""

    def __init__(self, size: int, heads: int, attention_rate: float, rate: float, **options: Any) -> None:
        super().__init__(size, heads, 4 * size, rate, batch_first=True, **options)
        self.self_attn.dropout = attention_rate
        self.dropout = nn.Identity()  # type: ignore[assignment]


class StepEncoder(nn.Module):
    """A Transformer over steps with sines and cosines of their positions, averaged: [batch, steps, …] → [batch, features]."""

    def __init__(self, embed: nn.Module, encoder: nn.TransformerEncoder) -> None:
        super().__init__()
        self.embed, self.encoder = embed, encoder

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Every step counts alike."""
        steps = self.embed(inputs)
        count, features = steps.shape[1:]
        angles = torch.arange(count)[:, None] * 10_000 ** (-torch.arange(0, features, 2) / features)
        waves = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :features]
        encoded: torch.Tensor = self.encoder(steps + waves.to(steps.device))
        return encoded.mean(1)


class WordEncoder(nn.Module):
    """A Transformer over words with sines and cosines of their positions, averaged over what is no padding (word 0)."""

    def __init__(self, embed: nn.Module, encoder: nn.TransformerEncoder) -> None:
        super().__init__()
        self.embed, self.encoder = embed, encoder

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """[batch, words] → [batch, features]; the first word has position 0."""
        real, vectors = (words != 0)[:, :, None], self.embed(words)
        rates = 10_000 ** (-torch.arange(0, vectors.shape[2], 2, device=words.device) / vectors.shape[2])
        angles = (real.cumsum(1) - 1) * rates
        waves = torch.stack([angles.sin(), angles.cos()], dim=3).flatten(2)[:, :, : vectors.shape[2]]
        encoded = self.encoder(vectors + waves, src_key_padding_mask=~real[:, :, 0])
        mean: torch.Tensor = (encoded * real).sum(1) / real.sum(1)
        return mean
